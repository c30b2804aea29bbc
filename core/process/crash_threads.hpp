// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cofounder {

// Gives every thread that is made from now on a CrashStack, whoever makes it: the program's own
// pthread_create() stands before libc's.  Nothing under sanitizers, which do the same.
void give_threads_crash_stacks();

}  // namespace cofounder
