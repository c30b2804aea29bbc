# SPDX-License-Identifier: Apache-2.0
# Makes the headers of a version 1.1 that does not exist, from the ones in sdk/: one more slot at the
# end of cof.http/1, one more field at the end of cof_invocation, one more optional interface
# (services/boot.h).  What it changes is what the rules of abi.h allow a later version to change.
function(cofounder_patch file old new)
  file(READ ${file} text)
  string(FIND "${text}" "${old}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${file} has changed; adapt tests/abi/next: no ${old}")
  endif()
  string(REPLACE "${old}" "${new}" text "${text}")
  file(WRITE ${file} "${text}")
endfunction()

function(cofounder_make_next_headers source target)
  file(REMOVE_RECURSE ${target})
  file(GLOB_RECURSE headers RELATIVE ${source} CONFIGURE_DEPENDS ${source}/*.h ${source}/cofounder/cpp/fields.hpp)
  foreach(header IN LISTS headers)
    configure_file(${source}/${header} ${target}/${header} COPYONLY)
  endforeach()
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/boot.h ${target}/cofounder/services/boot.h
    COPYONLY)

  set(abi ${target}/cofounder/abi.h)
  cofounder_patch(${abi} "#define COF_ABI_MINOR 0" "#define COF_ABI_MINOR 1")
  cofounder_patch(${abi} "} cof_invocation;" "  int64_t submitted_ms;\n} cof_invocation;")
  cofounder_patch(${abi} "sizeof(cof_invocation) == 96" "sizeof(cof_invocation) == 104")
  cofounder_patch(${target}/cofounder/services/http.h "} cof_http_service;"
    "  int32_t (*prewarm)(const cof_host *host, cof_str origin);\n} cof_http_service;")
  cofounder_patch(${target}/cofounder/plugin.h "#include \"services/call.h\""
    "#include \"services/boot.h\"\n#include \"services/call.h\"")
endfunction()
