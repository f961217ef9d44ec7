import CLibPQ
import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Notices that a link has fallen silent: it stands, and nothing comes any more, as behind a dead router or a firewall that
/// forgets. TCP alone notices that where a peer's kernel says nothing, and not where something in between answers for it.
///
/// A statement may take as long as it likes. While one is waited for, another connection to the same address asks the server for
/// one byte from time to time; if that does not come either, the link is cut, and whoever waits hears of it.
final class LinkWatch: Sendable {
    static let silenceSeconds = 1.5
    static let answerMilliseconds: Int32 = 2000

    private struct State {
        var descriptor: Int32
        var since: DispatchTime?
        var probedAt: DispatchTime?
        var isProbing = false
    }

    private let state: Mutex<State>
    private let silent: @Sendable () -> Void

    /// - Parameter silent: hears that the link is about to be cut; it must not wait.
    init(_ connection: OpaquePointer, silent: @escaping @Sendable () -> Void) {
        state = Mutex(State(descriptor: PQsocket(connection)))
        self.silent = silent
        LinkWatches.shared.add(self)
    }

    /// Waits for the server, watched.
    func waiting<T>(_ body: () -> T) -> T {
        state.withLock { $0.since = .now() }
        defer { state.withLock { $0.since = nil } }
        return body()
    }

    /// The result of the next statement, or of the next part of one.
    func result(_ connection: OpaquePointer) -> OpaquePointer? {
        guard PQisBusy(connection) == 1 else { return PQgetResult(connection) }
        return waiting { PQgetResult(connection) }
    }

    /// The next message of a COPY, as `PQgetCopyData` tells of it.
    func copied(_ connection: OpaquePointer, _ bytes: inout UnsafeMutablePointer<CChar>?) -> Int32 {
        // What has come already is not waited for: there may be millions.
        let length = PQgetCopyData(connection, &bytes, 1)
        guard length == 0 else { return length }
        return waiting { PQgetCopyData(connection, &bytes, 0) }
    }

    /// Ends the link, so that whoever waits for it hears of it.
    func cut() { state.withLock { cut($0) } }

    private func cut(_ state: State) {
        guard state.descriptor >= 0 else { return }
        // Whoever waits goes on in the same moment, and is to know this by then.
        silent()
        shutdown(state.descriptor, Int32(SHUT_RDWR))
    }

    /// The descriptor may be somebody else's from now on.
    func end() { state.withLock { $0.descriptor = -1 } }

    fileprivate func look(_ now: DispatchTime) {
        let found: (since: DispatchTime, peer: PeerAddress)? = state.withLock { state in
            guard let since = state.since, state.descriptor >= 0, !state.isProbing, now > since + Self.silenceSeconds,
                state.probedAt.map({ now > $0 + Self.silenceSeconds }) ?? true, let peer = PeerAddress(of: state.descriptor)
            else { return nil }
            state.isProbing = true
            return (since, peer)
        }
        guard let found else { return }
        DispatchQueue.global().async { [self] in
            let answers = found.peer.answers(within: Self.answerMilliseconds)
            state.withLock { state in
                state.isProbing = false
                state.probedAt = .now()
                if !answers, state.since == found.since { cut(state) }
            }
        }
    }
}

/// All that are watched. One timer looks after them.
private final class LinkWatches: Sendable {
    private struct Watched {
        weak var watch: LinkWatch?
    }

    static let shared = LinkWatches()
    private static let pause = DispatchTimeInterval.milliseconds(250)
    private let watches = Mutex<[Watched]>([])
    private let queue = DispatchQueue(label: "waybill.postgres.links")

    private init() { queue.asyncAfter(deadline: .now() + Self.pause) { self.look() } }

    func add(_ watch: LinkWatch) { watches.withLock { $0.append(Watched(watch: watch)) } }

    private func look() {
        let present = watches.withLock { watches in
            watches.removeAll { $0.watch == nil }
            return watches.compactMap(\.watch)
        }
        let now = DispatchTime.now()
        for watch in present { watch.look(now) }
        queue.asyncAfter(deadline: .now() + Self.pause) { self.look() }
    }
}

/// Where a connection leads.
private struct PeerAddress: Sendable {
    private var storage = sockaddr_storage()
    private var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// - Returns: nil for what does not go over the network.
    init?(of descriptor: Int32) {
        let status = withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        guard status == 0, storage.ss_family == sa_family_t(AF_INET) || storage.ss_family == sa_family_t(AF_INET6) else {
            return nil
        }
    }

    /// Whether a PostgreSQL server, or a pooler in front of one, says there whether it knows TLS.
    func answers(within milliseconds: Int32) -> Bool {
        #if canImport(Glibc)
        let kind = Int32(SOCK_STREAM.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        let probe = socket(Int32(storage.ss_family), kind, 0)
        // No descriptor is left: that says nothing of the link.
        guard probe >= 0 else { return true }
        defer { close(probe) }
        _ = fcntl(probe, F_SETFL, O_NONBLOCK)
        let deadline = DispatchTime.now() + .milliseconds(Int(milliseconds))
        let connected = withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
        }
        guard connected == 0 || errno == EINPROGRESS, Self.waits(probe, for: POLLOUT, until: deadline) else { return false }
        // SSLRequest: the length of the message, and a number that stands for it.
        let request: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
        guard send(probe, request, request.count, Int32(MSG_NOSIGNAL)) == request.count,
            Self.waits(probe, for: POLLIN, until: deadline)
        else { return false }
        var answer: UInt8 = 0
        return recv(probe, &answer, 1, 0) == 1
    }

    private static func waits(_ descriptor: Int32, for event: Int32, until deadline: DispatchTime) -> Bool {
        while true {
            let now = DispatchTime.now()
            guard now < deadline else { return false }
            let left = (deadline.uptimeNanoseconds - now.uptimeNanoseconds) / 1_000_000 + 1
            var wait = pollfd(fd: descriptor, events: Int16(event), revents: 0)
            let found = poll(&wait, 1, Int32(clamping: left))
            if found > 0 { return true }
            guard found == 0 || errno == EINTR else { return false }
        }
    }
}
