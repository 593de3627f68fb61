# Fails when a header includes upward, or names a library that is not its module's.
#
#   cmake -D TABLE=<file of tslive_write_layering> -D INCLUDE_DIR=<tree that has tslive/> -P CheckLayering.cmake
#
# The compiler cannot see this: all modules share one include directory, and most libraries sit in /usr/include.
cmake_minimum_required(VERSION 3.25)

include("${TABLE}")

# Third-party headers that not every module may include: "<pattern of the header>=<modules that may>".
set(owned_headers
    "^(libpq-fe\\.h|libpq/|postgres_ext\\.h|pg_config)=pg"
    "^(zstd|zdict)=spool"
    "^sqlite3=state"
    "^range/=checks|snapshot|schema|copy|apply|timescale|migrate|ui"
    "^(CLI/|gtest/|gmock/|benchmark/)=no module")

set(violations)

function(check_include file module header)
    if(header MATCHES "^tslive/([a-z_]+)/")
        set(other "${CMAKE_MATCH_1}")
        if(NOT other STREQUAL module AND NOT other IN_LIST tslive_reach_${module})
            set(why "${module} may include only: ${module} ${tslive_reach_${module}}")
        endif()
    elseif(header STREQUAL "tslive/tslive.hpp")
        set(why "the umbrella is for users")
    elseif(header MATCHES "\\.\\./")
        set(why "write the path from tslive/ on")
    else()
        foreach(owned IN LISTS owned_headers)
            string(REGEX MATCH "^(.*)=(.*)$" _ "${owned}")
            set(pattern "${CMAKE_MATCH_1}")
            set(owners "${CMAKE_MATCH_2}")
            if(header MATCHES "${pattern}" AND NOT module MATCHES "^(${owners})$")
                set(why "this header is for: ${owners}")
            endif()
        endforeach()
    endif()
    if(why)
        set(violations ${violations} "${file}: #include ${header} (${why})" PARENT_SCOPE)
    endif()
endfunction()

function(check_file file module)
    file(STRINGS "${INCLUDE_DIR}/${file}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(line IN LISTS lines)
        string(REGEX REPLACE "^[^<\"]*[<\"]([^>\"]*).*$" "\\1" header "${line}")
        check_include("${file}" "${module}" "${header}")
    endforeach()
    if(NOT module STREQUAL "pg")
        file(READ "${INCLUDE_DIR}/${file}" text)
        string(REGEX REPLACE "//[^\n]*" "" text "${text}")
        if(text MATCHES "[^A-Za-z0-9_](PQ[a-z][A-Za-z]*)[ ]*\\(")
            list(APPEND violations "${file}: calls ${CMAKE_MATCH_1} (libpq is called in pg only)")
        endif()
    endif()
    set(violations ${violations} PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE files RELATIVE "${INCLUDE_DIR}" "${INCLUDE_DIR}/tslive/*.hpp" "${INCLUDE_DIR}/tslive/*.ipp")
if(NOT files)
    message(FATAL_ERROR "no headers under ${INCLUDE_DIR}/tslive")
endif()
foreach(file IN LISTS files)
    if(file MATCHES "^tslive/([a-z_]+)/")
        set(module "${CMAKE_MATCH_1}")
        if(module IN_LIST tslive_modules)
            check_file("${file}" "${module}")
        else()
            list(APPEND violations "${file}: ${module} is not a module of the build")
        endif()
    endif()
endforeach()

list(LENGTH files count)
if(violations)
    list(JOIN violations "\n  " text)
    message(FATAL_ERROR "layering:\n  ${text}")
endif()
message(STATUS "layering: ${count} headers are in order")
