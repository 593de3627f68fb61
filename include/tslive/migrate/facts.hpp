#pragma once

#include <string_view>

/// Names of the facts and steps that the commands keep in state.db. docs/on-disk-layout.md explains them.
namespace tslive::migrate::fact {

inline constexpr std::string_view consistent_point =
    "source.consistent_point";  ///< of slot and snapshot; missing: ts-snapshot did not get that far
inline constexpr std::string_view options = "migrate.options";             ///< that the migration was started with
inline constexpr std::string_view hypertables = "migrate.hypertables";     ///< the file of --hypertables
inline constexpr std::string_view left_out = "migrate.left-out";           ///< objects of the source
inline constexpr std::string_view copy_again = "replay.copy_again";        ///< OIDs on the source
inline constexpr std::string_view lost_identity = "replay.lost_identity";  ///< OIDs on the source
inline constexpr std::string_view timescaledb = "source.timescaledb";      ///< version and schema, when it has it
inline constexpr std::string_view end_position = "switch_over.end";        ///< LSN of the end mark

}  // namespace tslive::migrate::fact

namespace tslive::migrate::step {

inline constexpr std::string_view started = "started";
inline constexpr std::string_view roles = "roles";
inline constexpr std::string_view dump = "schema.dump";
inline constexpr std::string_view pre_data = "schema.pre-data";
inline constexpr std::string_view timescaledb_extension = "timescaledb.extension";
inline constexpr std::string_view timescaledb_restoring = "timescaledb.restoring";
inline constexpr std::string_view timescaledb_catalog = "timescaledb.catalog";
inline constexpr std::string_view timescaledb_made = "timescaledb.made";
inline constexpr std::string_view dependents = "schema.dependents";
inline constexpr std::string_view timescaledb_chunks = "timescaledb.chunks";
inline constexpr std::string_view timescaledb_compression = "timescaledb.compression";
inline constexpr std::string_view timescaledb_compressed = "timescaledb.compressed";
inline constexpr std::string_view timescaledb_jobs_tried = "timescaledb.jobs-tried";
inline constexpr std::string_view timescaledb_live = "timescaledb.live";
inline constexpr std::string_view timescaledb_foreign_keys = "timescaledb.foreign-keys";
inline constexpr std::string_view search_paths = "target.search-paths";
inline constexpr std::string_view hypertables = "target.hypertables";
inline constexpr std::string_view left_out = "schema.left-out";
inline constexpr std::string_view chunks = "target.chunks-made";
inline constexpr std::string_view large_objects = "copy.large-objects";
inline constexpr std::string_view rows_read = "copy.rows-read";  ///< nothing needs the snapshot any more
inline constexpr std::string_view source_jobs = "source.jobs-resumed";
inline constexpr std::string_view rows = "copy.rows";
inline constexpr std::string_view post_data = "schema.post-data";
inline constexpr std::string_view foreign_keys = "copy.foreign-keys";
inline constexpr std::string_view database_settings = "schema.database-settings";
inline constexpr std::string_view views = "copy.materialized-views";
inline constexpr std::string_view triggers = "target.triggers-silenced";
inline constexpr std::string_view policies_tried = "target.policies-tried";
inline constexpr std::string_view base_copy = "base-copy";
inline constexpr std::string_view drained = "switch-over.drained";
inline constexpr std::string_view large_objects_again = "switch-over.large-objects";
inline constexpr std::string_view unlogged_again = "switch-over.unlogged-tables";
inline constexpr std::string_view sequences = "switch-over.sequences";
inline constexpr std::string_view timescaledb_ranges = "switch-over.timescaledb-ranges";
inline constexpr std::string_view timescaledb_invalidations = "switch-over.timescaledb-invalidations";
inline constexpr std::string_view timescaledb_jobs = "switch-over.timescaledb-jobs";
inline constexpr std::string_view views_again = "switch-over.materialized-views";
inline constexpr std::string_view foreign_keys_again = "switch-over.foreign-keys";
inline constexpr std::string_view undo_target = "switch-over.triggers-restored";
inline constexpr std::string_view policies = "switch-over.policies";
inline constexpr std::string_view after_switch_over = "switch-over.schema";
inline constexpr std::string_view complete = "complete";

}  // namespace tslive::migrate::step
