#pragma once

#include <string>

#include <fmt/format.h>

namespace tslive::catalog {

/// What a server of a version can do, by name, so that no code elsewhere compares version numbers. A value type.
class Capabilities {
public:
    /// @param server_version  as PQserverVersion gives it: 150020
    constexpr explicit Capabilities(int server_version) noexcept : version_(server_version) {}

    [[nodiscard]] constexpr int version() const noexcept { return version_; }
    [[nodiscard]] constexpr int major() const noexcept { return version_ / 10000; }
    [[nodiscard]] constexpr int minor() const noexcept { return version_ % 10000; }

    /// The versions that ts-live knows: 12 to 18.
    [[nodiscard]] constexpr bool known() const noexcept { return from(12) && !from(19); }

    /// pg_current_xact_id(), pg_snapshot; before: txid_current()
    [[nodiscard]] constexpr bool current_xact_id() const noexcept { return from(13); }
    /// publish_via_partition_root, and partitioned tables in publications
    [[nodiscard]] constexpr bool publish_via_root() const noexcept { return from(13); }
    /// max_slot_wal_keep_size, and wal_status and safe_wal_size in pg_replication_slots
    [[nodiscard]] constexpr bool slot_wal_limit() const noexcept { return from(13); }
    /// pgoutput's `messages` option
    [[nodiscard]] constexpr bool logical_messages() const noexcept { return from(14); }
    /// pgoutput's `streaming` option, protocol version 2
    [[nodiscard]] constexpr bool streaming() const noexcept { return from(14); }
    /// The highest `proto_version` of pgoutput that server and we know: streaming came with 2, two-phase with 3, parallel
    /// streaming with 4. Of these we ask for streaming only, which looks the same in all of them.
    [[nodiscard]] constexpr int pgoutput_version() const noexcept {
        return from(16) ? 4 : from(15) ? 3 : from(14) ? 2 : 1;
    }
    /// pgoutput's `binary` option
    [[nodiscard]] constexpr bool binary_output() const noexcept { return from(14); }
    /// A ctid range is read without reading the rest of the table
    [[nodiscard]] constexpr bool tid_range_scan() const noexcept { return from(14); }
    [[nodiscard]] constexpr bool multiranges() const noexcept { return from(14); }
    [[nodiscard]] constexpr bool idle_session_timeout() const noexcept { return from(14); }
    [[nodiscard]] constexpr bool concurrent_detach() const noexcept { return from(14); }
    /// Replication origin functions may be granted; before, they ask for a superuser
    [[nodiscard]] constexpr bool origin_functions_grantable() const noexcept { return from(14); }
    /// GRANT SET ON PARAMETER, has_parameter_privilege()
    [[nodiscard]] constexpr bool grant_set_on_parameter() const noexcept { return from(15); }
    /// TABLES IN SCHEMA, row filters and column lists in publications
    [[nodiscard]] constexpr bool schema_publications() const noexcept { return from(15); }
    /// UNIQUE NULLS NOT DISTINCT, pg_index.indnullsnotdistinct
    [[nodiscard]] constexpr bool nulls_not_distinct() const noexcept { return from(15); }
    /// pg_database.datlocprovider and daticulocale
    [[nodiscard]] constexpr bool database_locale_provider() const noexcept { return from(15); }
    /// A logical slot on a standby, pg_log_standby_snapshot()
    [[nodiscard]] constexpr bool decoding_on_standby() const noexcept { return from(16); }
    [[nodiscard]] constexpr bool reserved_connections() const noexcept { return from(16); }
    [[nodiscard]] constexpr bool transaction_timeout() const noexcept { return from(17); }
    /// The setting that may take a snapshot's rows away; removed in 17
    [[nodiscard]] constexpr bool old_snapshot_threshold() const noexcept { return !from(17); }
    /// publish_generated_columns; from here on the source refuses UPDATE where an identity has an unpublished column
    [[nodiscard]] constexpr bool generated_columns_published() const noexcept { return from(18); }
    [[nodiscard]] constexpr bool virtual_generated_columns() const noexcept { return from(18); }
    /// max_active_replication_origins; before, max_replication_slots counted for origins too
    [[nodiscard]] constexpr bool origin_limit() const noexcept { return from(18); }
    [[nodiscard]] constexpr bool idle_replication_slot_timeout() const noexcept { return from(18); }
    /// UPDATE is refused for INSERT … ON CONFLICT DO UPDATE too, on a published table without identity (CASES A2)
    [[nodiscard]] constexpr bool checks_identity_of_upserts() const noexcept {
        return from(18) || minor_of(15, 15) || minor_of(16, 11) || minor_of(17, 7);
    }
    /// After ALTER PUBLICATION ADD TABLE, changes of the table are sent even if a transaction was open meanwhile (CASES B6)
    [[nodiscard]] constexpr bool safe_publication_change() const noexcept {
        return from(18) || minor_of(13, 21) || minor_of(14, 18) || minor_of(15, 13) || minor_of(16, 9) ||
               minor_of(17, 5);
    }

    /// `15.20`
    [[nodiscard]] std::string text() const { return fmt::format("{}.{}", major(), minor()); }

private:
    [[nodiscard]] constexpr bool from(int major_version) const noexcept { return version_ >= major_version * 10000; }
    [[nodiscard]] constexpr bool minor_of(int major_version, int least) const noexcept {
        return major() == major_version && minor() >= least;
    }

    int version_;
};

}  // namespace tslive::catalog
