#pragma once

namespace tslive::pg {

inline void Pipeline::enter() {
    if (entered_) return;
    if (PQenterPipelineMode(connection_->native()) != 1)
        throw Error(Recovery::reconnect,
                    fmt::format("pipeline mode: {}", detail::trimmed(PQerrorMessage(connection_->native()))));
    entered_ = true;
}

inline bool Pipeline::begin_large(std::size_t bytes) {
    if (bytes < large_bytes) return false;
    connection_->flush();
    unsent_bytes_ = 0;
    return PQsetnonblocking(connection_->native(), 0) == 0;
}

inline void Pipeline::end_large(bool large) {
    if (large && PQsetnonblocking(connection_->native(), 1) != 0) throw detail::connection_lost(connection_->native());
}

inline void Pipeline::check_sent(int sent, std::size_t bytes) {
    if (sent != 1) {
        if (PQstatus(connection_->native()) == CONNECTION_BAD) throw detail::connection_lost(connection_->native());
        throw Error(Recovery::operator_action,
                    fmt::format("libpq: {}", detail::trimmed(PQerrorMessage(connection_->native()))));
    }
    ++sent_;
    unsent_bytes_ += bytes + 64;
    if (unsent_bytes_ < most_unsent_bytes) return;
    connection_->flush();
    unsent_bytes_ = 0;
}

inline void Pipeline::prepare(std::string_view name, std::string_view sql) {
    enter();
    check_sent(PQsendPrepare(connection_->native(), std::string{name}.c_str(), std::string{sql}.c_str(), 0, nullptr),
               sql.size());
}

inline void Pipeline::send(std::string_view sql, const Params& params) {
    enter();
    const bool large = begin_large(params.bytes());
    const int sent = PQsendQueryParams(connection_->native(), std::string{sql}.c_str(), params.count(), nullptr,
                                       params.values(), params.lengths(), params.formats(), 0);
    end_large(large);
    check_sent(sent, sql.size() + params.bytes());
}

inline void Pipeline::send_prepared(std::string_view name, const Params& params) {
    enter();
    const bool large = begin_large(params.bytes());
    const int sent = PQsendQueryPrepared(connection_->native(), std::string{name}.c_str(), params.count(),
                                         params.values(), params.lengths(), params.formats(), 0);
    end_large(large);
    check_sent(sent, params.bytes());
}

template <typename OnResult>
std::optional<Pipeline::Failure> Pipeline::finish(OnResult&& on_result) {
    if (sent_ == 0) return std::nullopt;
    if (PQpipelineSync(connection_->native()) != 1) throw detail::connection_lost(connection_->native());
    connection_->flush();
    unsent_bytes_ = 0;

    std::optional<Failure> failure;
    for (std::size_t index = 0; index < sent_; ++index) {
        for (auto handle = connection_->next_result(); handle; handle = connection_->next_result()) {
            const Result result{std::move(handle)};
            switch (result.status()) {
                case PGRES_COMMAND_OK:
                case PGRES_TUPLES_OK: on_result(index, result); break;
                case PGRES_PIPELINE_ABORTED: break;
                default: try { detail::throw_result_error(connection_->native(), result.native());
                    } catch (const ServerError& error) {
                        if (error.recovery() == Recovery::reconnect) throw;
                        if (!failure) failure.emplace(Failure{index, error});
                    }
            }
        }
        if (PQstatus(connection_->native()) == CONNECTION_BAD) throw detail::connection_lost(connection_->native());
    }
    const Result synced{connection_->next_result()};
    if (synced.native() == nullptr || synced.status() != PGRES_PIPELINE_SYNC)
        throw detail::connection_lost(connection_->native());
    sent_ = 0;
    return failure;
}

inline void Pipeline::leave() {
    if (!entered_) return;
    if (PQexitPipelineMode(connection_->native()) != 1)
        throw Error(Recovery::reconnect,
                    fmt::format("leaving pipeline mode: {}", detail::trimmed(PQerrorMessage(connection_->native()))));
    entered_ = false;
}

}  // namespace tslive::pg
