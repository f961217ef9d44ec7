/// How a database file is opened.
public struct SQLiteConfiguration: Sendable {
    /// Connections that read at the same time, each on a thread of its own.
    public var readers = 4
    /// The page cache of the one connection that writes.
    public var writerCacheKiB = 8 * 1024
    /// The page cache of each reading connection.
    public var readerCacheKiB = 2 * 1024
    /// The log is moved into the file once it holds so many pages of 4 KiB.
    public var checkpointPages = 8_000
    /// How long to wait for a lock that another process holds.
    public var busyTimeoutSeconds = 5.0

    public init() {}
}
