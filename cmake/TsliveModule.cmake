# Modules: one folder under include/tslive, one INTERFACE target, one namespace.

# tslive_module(<name> [REQUIRES <module>...] [LINKS <target>...])
#
# Makes tslive_<name> and the alias tslive::<name> of include/tslive/<name>. REQUIRES names modules declared before,
# which is what keeps the order of the architecture; CheckLayering.cmake holds the #include lines to the same table.
function(tslive_module name)
    cmake_parse_arguments(PARSE_ARGV 1 module "" "" "REQUIRES;LINKS")
    set(include_dir "${PROJECT_SOURCE_DIR}/include")
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${include_dir}/tslive/${name}/*.hpp")
    file(GLOB_RECURSE bodies CONFIGURE_DEPENDS "${include_dir}/tslive/${name}/*.ipp")

    set(target tslive_${name})
    add_library(${target} INTERFACE)
    add_library(tslive::${name} ALIAS ${target})
    target_compile_features(${target} INTERFACE cxx_std_20)
    target_sources(${target}
        INTERFACE FILE_SET HEADERS BASE_DIRS "${include_dir}" FILES ${headers}
        INTERFACE FILE_SET bodies TYPE HEADERS BASE_DIRS "${include_dir}" FILES ${bodies})
    # An .ipp is the end of its header and is not compiled alone.
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} INTERFACE_HEADER_SETS_TO_VERIFY HEADERS)

    set(reach)
    foreach(required IN LISTS module_REQUIRES)
        if(NOT TARGET tslive_${required})
            message(FATAL_ERROR "module ${name} requires ${required}, which is not declared above it")
        endif()
        get_property(inherited GLOBAL PROPERTY tslive_reach_${required})
        list(APPEND reach ${required} ${inherited})
        target_link_libraries(${target} INTERFACE tslive_${required})
    endforeach()
    list(REMOVE_DUPLICATES reach)
    target_link_libraries(${target} INTERFACE ${module_LINKS})
    set_property(GLOBAL PROPERTY tslive_reach_${name} ${reach})
    set_property(GLOBAL APPEND PROPERTY tslive_modules ${name})
endfunction()

# tslive::tslive, all modules and the header tslive/tslive.hpp.
function(tslive_umbrella)
    get_property(modules GLOBAL PROPERTY tslive_modules)
    list(TRANSFORM modules PREPEND tslive_)
    add_library(tslive_tslive INTERFACE)
    add_library(tslive::tslive ALIAS tslive_tslive)
    set(include_dir "${PROJECT_SOURCE_DIR}/include")
    target_sources(tslive_tslive
        INTERFACE FILE_SET HEADERS BASE_DIRS "${include_dir}" FILES "${include_dir}/tslive/tslive.hpp")
    set_target_properties(tslive_tslive PROPERTIES EXPORT_NAME tslive)
    target_link_libraries(tslive_tslive INTERFACE ${modules})
endfunction()

# Writes the table of modules for CheckLayering.cmake: `tslive_modules` and, for each, `tslive_reach_<module>`.
function(tslive_write_layering file)
    get_property(modules GLOBAL PROPERTY tslive_modules)
    set(text "set(tslive_modules ${modules})\n")
    foreach(module IN LISTS modules)
        get_property(reach GLOBAL PROPERTY tslive_reach_${module})
        string(APPEND text "set(tslive_reach_${module} ${reach})\n")
    endforeach()
    file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
endfunction()
