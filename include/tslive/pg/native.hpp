#pragma once

#include <memory>

#include <libpq-fe.h>

namespace tslive::pg {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* pointer) const noexcept {
        Free(pointer);
    }
};

using ConnectionHandle = std::unique_ptr<PGconn, Deleter<&PQfinish>>;
using ResultHandle = std::unique_ptr<PGresult, Deleter<&PQclear>>;
using CancelHandle = std::unique_ptr<PGcancel, Deleter<&PQfreeCancel>>;
using ConnOptionsHandle = std::unique_ptr<PQconninfoOption, Deleter<&PQconninfoFree>>;
/// Memory that libpq allocated: escaped text, COPY rows, error messages.
template <typename T>
using LibpqMemory = std::unique_ptr<T, Deleter<&PQfreemem>>;

}  // namespace tslive::pg
