/* Counts the calls by which a process changes files below a folder, and lets one fault happen at one of them.
   Loaded with LD_PRELOAD, so that it sees Python, SQLite and the Rust of deltalake alike; idle until armed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX];
static int changes, struck_at, no_space;

/* From now on: at change `at` (from 1; 0: never) below `below`, the process is killed, or the disk is full from then on. */
void arm(const char *below, int at, int full) {
    strncpy(folder, below, sizeof folder - 1);
    changes = 0, struck_at = at, no_space = full;
}

int changed(void) { return changes; }

static int is_below(const char *path) { return folder[0] && path && strncmp(path, folder, strlen(folder)) == 0; }

static int is_open_below(int file) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* Whether this change fails; does not return where it is the one to be killed at. */
static int fails(int takes_space) {
    int now = __sync_add_and_fetch(&changes, 1);
    if (!struck_at || now < struck_at) return 0;
    if (!no_space && now == struck_at) kill(getpid(), SIGKILL);
    if (no_space && takes_space) errno = ENOSPC;
    return no_space && takes_space;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define CHANGE(type, name, parameters, arguments, is_ours, takes_space)                                                \
    type name parameters {                                                                                             \
        REAL(name);                                                                                                    \
        return (is_ours) && fails(takes_space) ? -1 : real arguments;                                                  \
    }

#define OPENING(name, parameters, arguments, path)                                                                     \
    int name parameters {                                                                                              \
        REAL(name);                                                                                                    \
        int mode = 0;                                                                                                  \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, int);                                                                                  \
            va_end(rest);                                                                                              \
        }                                                                                                              \
        int is_change = flags & O_TRUNC || (flags & O_CREAT && access(path, F_OK) != 0);                               \
        return is_change && is_below(path) && fails(1) ? -1 : real arguments;                                          \
    }

OPENING(open, (const char *path, int flags, ...), (path, flags, mode), path)
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode), path)
OPENING(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), path)
OPENING(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), path)
CHANGE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size), is_open_below(file), 1)
CHANGE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), is_open_below(file), 1)
CHANGE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at), is_open_below(file), 1)
CHANGE(int, ftruncate, (int file, off_t size), (file, size), is_open_below(file), 0)
CHANGE(int, ftruncate64, (int file, off64_t size), (file, size), is_open_below(file), 0)
CHANGE(int, rename, (const char *old, const char *new), (old, new), is_below(new), 0)
CHANGE(int, link, (const char *old, const char *new), (old, new), is_below(new), 1)
CHANGE(int, linkat, (int at, const char *old, int to, const char *new, int flags), (at, old, to, new, flags), is_below(new), 1)
CHANGE(int, unlink, (const char *path), (path), is_below(path), 0)
CHANGE(int, mkdir, (const char *path, mode_t mode), (path, mode), is_below(path), 1)
