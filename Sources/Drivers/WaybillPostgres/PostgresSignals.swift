import CLibPQ
import Dispatch
import Synchronization
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// NOTIFY and LISTEN between the nodes. Hints only: what is said while a connection is lost is not heard, so that everybody who
/// listens looks for himself from time to time as well.
public final class PostgresSignals: SQLSignals {
    private struct State {
        var listeners: [Int: AsyncStream<String>.Continuation] = [:]
        var nextID = 0
        var pending: [String] = []
        var isSending = false
        var lastSent: DispatchTime?
        var isListening = false
        var isClosed = false
    }

    /// The server takes less than 8,000 bytes at once.
    private static let payloadBytesMax = 7_500
    /// A word is sent at once, and then so long are others gathered into one notification.
    private static let gatherSeconds = 0.003
    /// One that waits for the server's words looks so often whether it is still wanted.
    private static let pollMilliseconds: Int32 = 500
    /// After so long without a word the server is asked whether it is still there.
    private static let quietSeconds = 10.0

    private let state = Mutex(State())
    private let ears: ConnectionSlot
    private let mouth: ConnectionSlot
    private let channel: String
    private let waitSeconds: Double
    private let isHeard: Bool

    init(_ options: ConnectionOptions, channel: String, waitSeconds: Double) {
        self.channel = channel
        self.waitSeconds = waitSeconds
        let seed = DispatchTime.now().uptimeNanoseconds
        ears = ConnectionSlot(options, label: "listen", seed: seed)
        mouth = ConnectionSlot(options, label: "notify", seed: seed &+ 1)
        // A pooler gives each transaction another connection, so that nobody would hear.
        isHeard = options.preparesStatements
    }

    public func words() -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(1000))
        guard isHeard else { return stream }
        let (id, begins) = state.withLock { state in
            state.nextID += 1
            state.listeners[state.nextID] = continuation
            defer { state.isListening = true }
            return (state.nextID, !state.isListening && !state.isClosed)
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[id] = nil } }
        if begins { ears.queue.async { self.listen() } }
        return stream
    }

    public func say(_ words: [String]) {
        let at: DispatchTime? = state.withLock { state in
            guard !state.isClosed else { return nil }
            // More than anybody would read one by one.
            if state.pending.count < 2_000 { state.pending += words }
            guard !state.isSending else { return nil }
            state.isSending = true
            return state.lastSent.map { max(.now(), $0 + Self.gatherSeconds) } ?? .now()
        }
        if let at { mouth.queue.asyncAfter(deadline: at) { self.send() } }
    }

    func close() async {
        let listeners = state.withLock { state in
            state.isClosed = true
            return Array(state.listeners.values)
        }
        listeners.forEach { $0.finish() }
        await ears.close()
        await mouth.close()
    }

    // MARK: On the driver's threads

    private func send() {
        let words = state.withLock { state in
            state.isSending = false
            state.lastSent = .now()
            defer { state.pending = [] }
            return state.pending
        }
        var seen: Set<String> = []
        var payload = ""
        for word in words where seen.insert(word).inserted {
            if payload.utf8.count + word.utf8.count + 1 > Self.payloadBytesMax {
                notify(payload)
                payload = ""
            }
            payload += payload.isEmpty ? word : "\n" + word
        }
        if !payload.isEmpty { notify(payload) }
    }

    private func notify(_ payload: String) {
        do {
            let connection = try mouth.connected(until: .now() + waitSeconds)
            do {
                // A hint need not be durable, and nobody should wait for it to be.
                _ = try connection.session.scan(
                    "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)::text",
                    arguments: [.text(channel), .text(payload)], { _ in .next })
            } catch {
                mouth.drop()
            }
        } catch {
            // Nobody hears it; they look for themselves.
        }
    }

    private func listen() {
        while !state.withLock({ $0.isClosed || $0.listeners.isEmpty }) {
            do {
                let connection = try ears.connected(until: .now() + waitSeconds)
                do {
                    try connection.run("LISTEN \(channel)")
                    // What was said before is not known: everybody looks.
                    hear("")
                    try hear(on: connection)
                } catch {
                    ears.drop()
                }
            } catch {
                pauseThread(seconds: 0.5)
            }
        }
        let goesOn = state.withLock { state in
            state.isListening = !state.listeners.isEmpty && !state.isClosed
            return state.isListening
        }
        if goesOn { ears.queue.async { self.listen() } } else { ears.drop() }
    }

    private func hear(on connection: PostgresConnection) throws {
        var heardAt = DispatchTime.now()
        while !state.withLock({ $0.isClosed || $0.listeners.isEmpty }) {
            if DispatchTime.now() > heardAt + Self.quietSeconds {
                try connection.run("SELECT 1")
                heardAt = .now()
            }
            var wait = pollfd(fd: PQsocket(connection.handle), events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, Self.pollMilliseconds) >= 0 || errno == EINTR else {
                throw PostgresFailure(lost: connection.handle)
            }
            guard PQconsumeInput(connection.handle) == 1, !connection.isBroken else {
                throw PostgresFailure(lost: connection.handle)
            }
            while let notice = PQnotifies(connection.handle) {
                let payload = notice.pointee.extra.map { String(cString: $0) } ?? ""
                PQfreemem(notice)
                heardAt = .now()
                payload.split(separator: "\n").forEach { hear(String($0)) }
            }
        }
    }

    private func hear(_ word: String) {
        let listeners = state.withLock { Array($0.listeners.values) }
        listeners.forEach { $0.yield(word) }
    }
}
