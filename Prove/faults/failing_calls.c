/* Preloaded into the server: counts the calls that change files below FAULT_ROOT, over all threads, and kills the process or
   fails the call when the count reaches what the control page says. strace counts each call of each thread by itself, so that
   its N-th call is not the process's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    _Atomic long at;      /* the number of the call that fails, from 1; 0: none */
    _Atomic long action;  /* 0: SIGKILL; else the errno */
    _Atomic long sticky;  /* all calls from there on */
    _Atomic long count;   /* calls so far */
    _Atomic long fired;   /* how many have failed */
    char name[96];        /* the first that has failed */
};

static struct control *page;
static char root[4096];
static size_t root_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_CONTROL"), *folder = getenv("FAULT_ROOT");
    if (!path || !folder) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return;
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    page = memory;
}

/* Whether this call is the one: the errno, or 0. Does not return if the process is to die. */
static int due(const char *call, const char *path) {
    if (!page || !atomic_load(&page->at) || strncmp(path, root, root_length)) return 0;
    /* The lock file holds nothing, and the shared memory of the log is not a file that is written. */
    const char *rest = path + root_length;
    if (!strcmp(rest, "/lock") || strstr(rest, "-shm")) return 0;
    /* What removes something needs no space. */
    if (atomic_load(&page->action) == ENOSPC && (!strcmp(call, "unlink") || !strcmp(call, "rmdir"))) return 0;
    long number = atomic_fetch_add(&page->count, 1) + 1, at = atomic_load(&page->at);
    if (number < at || (number > at && !atomic_load(&page->sticky))) return 0;
    if (atomic_fetch_add(&page->fired, 1) == 0) snprintf(page->name, sizeof page->name, "%s %.80s", call, rest);
    long action = atomic_load(&page->action);
    if (!action) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    return (int)action;
}

static int due_file(const char *call, int file) {
    if (!page || !atomic_load(&page->at)) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return due(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_FILE(name, file) do { int reason = due_file(name, file); if (reason) { errno = reason; return -1; } } while (0)
#define FAIL_PATH(name, path) do { int reason = due(name, path); if (reason) { errno = reason; return -1; } } while (0)

ssize_t write(int file, const void *bytes, size_t count) { FAIL_FILE("write", file); return REAL(write)(file, bytes, count); }
ssize_t writev(int file, const struct iovec *parts, int count) { FAIL_FILE("writev", file); return REAL(writev)(file, parts, count); }
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    FAIL_FILE("pwrite", file);
    return REAL(pwrite)(file, bytes, count, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    FAIL_FILE("pwrite64", file);
    return REAL(pwrite64)(file, bytes, count, at);
}
int fsync(int file) { FAIL_FILE("fsync", file); return REAL(fsync)(file); }
int fdatasync(int file) { FAIL_FILE("fdatasync", file); return REAL(fdatasync)(file); }
int ftruncate(int file, off_t length) { FAIL_FILE("ftruncate", file); return REAL(ftruncate)(file, length); }
int ftruncate64(int file, off64_t length) { FAIL_FILE("ftruncate64", file); return REAL(ftruncate64)(file, length); }
int rename(const char *from, const char *to) { FAIL_PATH("rename", to); return REAL(rename)(from, to); }
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    FAIL_PATH("rename", to);
    return REAL(renameat2)(from_folder, from, to_folder, to, flags);
}
int link(const char *from, const char *to) { FAIL_PATH("link", to); return REAL(link)(from, to); }
int unlink(const char *path) { FAIL_PATH("unlink", path); return REAL(unlink)(path); }
int mkdir(const char *path, mode_t mode) { FAIL_PATH("mkdir", path); return REAL(mkdir)(path, mode); }
int rmdir(const char *path) { FAIL_PATH("rmdir", path); return REAL(rmdir)(path); }

static int make_flags(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; }
int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = make_flags(flags, rest);
    va_end(rest);
    if (flags & O_CREAT) FAIL_PATH("open", path);
    return REAL(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = make_flags(flags, rest);
    va_end(rest);
    if (flags & O_CREAT) FAIL_PATH("open64", path);
    return REAL(open64)(path, flags, mode);
}
