# What our tests and executables are compiled with. Never linked by an exported target.
option(TSLIVE_WERROR "Warnings are errors" OFF)

add_library(tslive_warnings INTERFACE)
target_compile_options(tslive_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${TSLIVE_WERROR}>:-Werror>
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # g++ 12 is wrong about std::optional (GCC bug 80635)
