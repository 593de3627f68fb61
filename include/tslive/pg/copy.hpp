#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tslive/core/bytes.hpp"
#include "tslive/pg/connection.hpp"

namespace tslive::pg {

/// The sending side of a base copy: `COPY … TO STDOUT`. One owner thread; the connection is ours until `finish`.
/// Source: PostgreSQL documentation, "Functions Associated with the COPY Command".
class CopyOut {
public:
    /// @throws ServerError  when the server refuses the command
    CopyOut(Connection& connection, std::string_view sql);
    CopyOut(const CopyOut&) = delete;
    CopyOut& operator=(const CopyOut&) = delete;

    /// Appends rows to `out` until it holds at least `enough_bytes`, or nothing more has arrived and it holds something.
    /// Waits when there is nothing at all. A row is never split.
    /// @returns false at the end of the data, when `out` may still have received rows
    bool read(ByteBuffer& out, std::size_t enough_bytes);

    /// Only after this the data is complete: the server's CommandComplete has been seen.
    /// @returns rows, from the command tag
    /// @pre     `read` has returned false
    std::int64_t finish();

private:
    Connection* connection_;
};

/// The receiving side: `COPY … FROM STDIN`. Without `finish` nothing is kept: destroying it aborts the COPY.
class CopyIn {
public:
    CopyIn(Connection& connection, std::string_view sql);
    CopyIn(const CopyIn&) = delete;
    CopyIn& operator=(const CopyIn&) = delete;
    ~CopyIn();

    /// Whole rows or parts of rows; the server joins them.
    void write(Bytes data);
    /// @returns rows, from the command tag
    std::int64_t finish();
    /// Sends CopyFail; the server answers with an error, which is expected and swallowed.
    void abort(std::string_view reason);

private:
    Connection* connection_;
    bool open_ = true;
};

}  // namespace tslive::pg

#include "tslive/pg/impl/copy.ipp"
