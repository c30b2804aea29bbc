/* SPDX-License-Identifier: Apache-2.0 */
/* refuse_call CALL ERRNO PROGRAM [WORD]...
 * Runs the program on a kernel that answers this system call with this error. */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count < 4) return 64;
  const int call = seccomp_syscall_resolve_name(words[1]);
  const uint32_t answer = SCMP_ACT_ERRNO((uint16_t)atoi(words[2]));
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (call == __NR_SCMP_ERROR || filter == NULL || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      seccomp_rule_add(filter, answer, call, 0) != 0 || seccomp_load(filter) != 0) {
    fprintf(stderr, "refuse_call: %s cannot be refused\n", words[1]);
    return 71;
  }
  execv(words[3], words + 3);
  perror(words[3]);
  return 72;
}
