import CMalloc

/// Keeps freed memory from staying with the process: the buffers of an export are large and come and go on several threads, and
/// what the allocator keeps of them would otherwise grow with the number of exports.
enum MemorySetup {
    static func start() {
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 20)
    }
}
