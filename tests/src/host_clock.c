// What HostClock preloads: the wall clock is as many seconds ahead as the file says that E2L_CLOCK_AHEAD names. No memory is
// allocated: allocators ask for the time themselves.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *ahead;

__attribute__((constructor)) static void open_setting(void) {
    const char *path = getenv("E2L_CLOCK_AHEAD");
    int file = path ? open(path, O_RDONLY) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
        abort();
    }
    ahead = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && ahead) {
        time->tv_sec += *ahead;
    }
    return result;
}
