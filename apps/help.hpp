#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tslive::apps {

/// `--help` in the words and the layout that users of the tool before this one know: a usage line, then `options:`, with the texts in a
/// column of their own and wrapped.
class HelpText : public CLI::Formatter {
public:
    [[nodiscard]] std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
        const auto program = name.empty() ? app->get_name() : name;
        const auto commands = app->get_subcommands({});
        auto options = app->get_options([](const CLI::Option* option) { return option->nonpositional(); });
        std::ranges::stable_partition(options, [app](const CLI::Option* option) {
            return option == app->get_help_ptr() || option == app->get_version_ptr();
        });
        std::vector<std::string> usage;
        for (const auto* option : options)
            usage.push_back(fmt::format("[{}]", with_value(*option, shortest_name(*option))));
        if (!commands.empty()) usage.push_back(command_names(commands) + " ...");

        const auto head = fmt::format("usage: {} ", program);
        auto text = head + wrapped(usage, head.size()) + '\n';
        if (!app->get_description().empty()) text += fmt::format("\n{}\n", app->get_description());
        text += "\noptions:\n";
        for (const auto* option : options) {
            std::string names;
            for (const auto& short_name : option->get_snames())
                names += fmt::format("{}-{}", names.empty() ? "" : ", ", short_name);
            for (const auto& long_name : option->get_lnames())
                names += fmt::format("{}--{}", names.empty() ? "" : ", ", long_name);
            text += entry("  " + with_value(*option, names), option->get_description());
        }
        if (commands.empty()) return text;
        text += "\nSubcommands:\n" + entry("  " + command_names(commands), "Subcommand help");
        for (const auto* command : commands) text += entry("    " + command->get_name(), command->get_description());
        return text;
    }

private:
    static constexpr std::size_t text_column = 24, last_column = 120;

    [[nodiscard]] static std::string shortest_name(const CLI::Option& option) {
        return option.get_snames().empty() ? "--" + option.get_lnames().front() : "-" + option.get_snames().front();
    }
    [[nodiscard]] static std::string with_value(const CLI::Option& option, const std::string& name) {
        const auto value = option.get_type_name();
        if (option.get_items_expected_max() == 0 || value.empty()) return name;
        if (option.get_items_expected_min() == 0) return fmt::format("{} [{} ...]", name, value);
        return option.get_items_expected_max() > 1 ? fmt::format("{0} {1} [{1} ...]", name, value)
                                                   : fmt::format("{} {}", name, value);
    }
    [[nodiscard]] static std::string command_names(const std::vector<const CLI::App*>& commands) {
        std::string names;
        for (const auto* command : commands)
            names += fmt::format("{}{}", names.empty() ? "" : ",", command->get_name());
        return fmt::format("{{{}}}", names);
    }

    /// @param column  where the first line begins, and all others
    [[nodiscard]] static std::string wrapped(const std::vector<std::string>& words, std::size_t column) {
        std::string text;
        std::size_t at = column;
        for (const auto& word : words) {
            if (at > column && at + 1 + word.size() > last_column) {
                text += '\n' + std::string(column, ' ');
                at = column;
            } else if (at > column) {
                text += ' ';
                ++at;
            }
            text += word;
            at += word.size();
        }
        return text;
    }
    [[nodiscard]] static std::string entry(std::string left, std::string_view text) {
        std::vector<std::string> words;
        while (!text.empty()) {
            const auto end = std::min(text.find(' '), text.size());
            if (end > 0) words.emplace_back(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        if (left.size() + 2 > text_column) left += '\n' + std::string(text_column, ' ');
        else left.resize(text_column, ' ');
        return left + wrapped(words, text_column) + '\n';
    }
};

}  // namespace tslive::apps
