# SPDX-License-Identifier: Apache-2.0
# cofounder_add_plugin(NAME sources...): the plugin NAME.so.  NAME is its target, to which further
# (private, static or header-only) libraries can be linked.
function(cofounder_add_plugin name)
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE cofounder::sdk cofounder::plugin_flags)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(CXX IN_LIST languages)
    target_compile_features(${name} PRIVATE cxx_std_20)
  endif()
  if(C IN_LIST languages)
    target_compile_features(${name} PRIVATE c_std_11)
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" POSITION_INDEPENDENT_CODE ON)
endfunction()
