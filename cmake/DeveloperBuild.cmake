# Settings of our own builds only: sanitizers, fast tools, the lint. A project that uses the headers sees none of it.
set(TSLIVE_SANITIZE "" CACHE STRING "What to hand to -fsanitize= in every compilation of this tree")
option(TSLIVE_FAST_TOOLS "Use ccache and mold where they are installed" OFF)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Target all_verify_interface_header_sets compiles each header alone.
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

if(TSLIVE_SANITIZE)
    add_compile_options(-fsanitize=${TSLIVE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TSLIVE_SANITIZE})
endif()

if(TSLIVE_FAST_TOOLS)
    find_program(TSLIVE_CCACHE ccache)
    if(TSLIVE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
        # The sloppiness lets ccache work with the tests' precompiled header (ccache manual, "Precompiled headers").
        set(CMAKE_CXX_COMPILER_LAUNCHER
            "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
            "${TSLIVE_CCACHE}")
    endif()
    find_program(TSLIVE_MOLD mold)
    if(TSLIVE_MOLD)
        add_link_options(-fuse-ld=mold)
    endif()
endif()
