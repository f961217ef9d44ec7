import Dispatch
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A place for one connection, with the thread that uses it. It connects when it must, and again when the connection is lost.
///
/// `@unchecked Sendable` is safe because the connection is touched on the queue only.
final class ConnectionSlot: @unchecked Sendable {
    let queue: DispatchQueue
    private let options: ConnectionOptions
    private let outage: Outage?
    private var connection: PostgresConnection?
    private var backoff: Backoff
    private var isClosed = false

    /// - Parameter outage: shared with others whose callers need an answer in time.
    init(_ options: ConnectionOptions, label: String, seed: UInt64, outage: Outage? = nil) {
        self.options = options
        self.outage = outage
        queue = DispatchQueue(label: "waybill.postgres.\(label)")
        backoff = Backoff(seed: seed)
    }

    deinit { connection?.close() }

    /// The connection, opened now if there is none. On the queue; may block until the deadline, and for one attempt after it.
    /// - Throws: `PostgresFailure` of the kind `.lost`, or `.refused` where trying again would not help.
    func connected(until deadline: DispatchTime) throws -> PostgresConnection {
        if let connection, !connection.isBroken, outage?.trusts(openedAt: connection.openedAt) ?? true { return connection }
        drop()
        while true {
            guard !isClosed else { throw PostgresFailure(.refused, SQLError(.unavailable, "the database is closing")) }
            guard outage?.rests != true else {
                throw PostgresFailure(.refused, SQLError(.unavailable, "nothing comes from the database any more"))
            }
            do {
                let opened = try PostgresConnection(options, queue: queue) { [outage] in outage?.noteSilence() }
                connection = opened
                backoff.reset()
                outage?.noteSuccess()
                return opened
            } catch let failure as PostgresFailure {
                let pause = backoff.next()
                outage?.noteFailure()
                guard failure.kind == .lost, DispatchTime.now() + pause < outage?.end(of: deadline) ?? deadline else {
                    throw PostgresFailure(.refused, failure.error)
                }
                pauseThread(seconds: pause)
            }
        }
    }

    /// Ends the connection, so that the next use opens another. On the queue.
    func drop() {
        connection?.close()
        connection = nil
    }

    /// Ends the connection for good, once what runs has ended.
    func close() async {
        await withCheckedContinuation { caller in
            queue.async { [self] in
                isClosed = true
                drop()
                caller.resume()
            }
        }
    }
}

/// Pauses that grow, each a random part of its size, so that many nodes don't come back in the same moment.
struct Backoff {
    private let least: Double
    private let most: Double
    private var size: Double
    private var random: UInt64

    init(least: Double = 0.05, most: Double = 1, seed: UInt64) {
        self.least = least
        self.most = most
        size = least
        random = seed | 1
    }

    mutating func reset() { size = least }

    /// In seconds: between half of the present size and the whole of it.
    mutating func next() -> Double {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let part = Double(random >> 11) / Double(1 << 53)
        defer { size = min(most, size * 2) }
        return size * (0.5 + part / 2)
    }
}

/// Blocks the driver's own thread.
func pauseThread(seconds: Double) { usleep(UInt32(max(0, min(seconds, 10)) * 1_000_000)) }
