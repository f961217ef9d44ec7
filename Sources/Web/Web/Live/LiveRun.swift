import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import WaybillEngine

/// One live connection, from its first frame to its end. One task writes; others read, ping, and watch for whatever ends it.
final class LiveRun: Sendable {
    typealias Admission = LiveConnection.Admission

    private struct State {
        var admission: Admission?
        var isAdmitted = false
        var place: StreamPlace?
    }

    private let connection: LiveConnection
    private let outbox: LiveOutbox
    private let state: Mutex<State>
    private let admitted: AsyncStream<StreamAccess>
    private let admit: AsyncStream<StreamAccess>.Continuation
    private let note: @Sendable (String, String?) -> Void
    private let breakOff: @Sendable () -> Void

    private var floor: WebFloor { connection.floor }
    private var limits: LiveConnection.Configuration { connection.configuration }
    private var time: any TimeSource { connection.floor.time }

    init(
        _ connection: LiveConnection, _ admission: Admission?, _ place: StreamPlace,
        note: @escaping @Sendable (String, String?) -> Void, breakOff: @escaping @Sendable () -> Void
    ) {
        self.connection = connection
        outbox = LiveOutbox(packetsMax: connection.configuration.packetsMax)
        state = Mutex(State(place: place))
        (admitted, admit) = AsyncStream.makeStream(of: StreamAccess.self)
        self.note = note
        self.breakOff = breakOff
        if let admission { take(admission) }
    }

    func serve(_ body: RequestBody, to writer: inout any ResponseBodyWriter) async throws {
        connection.metrics.began()
        defer {
            state.withLock { $0.place }?.release()
            connection.metrics.ended(outbox.reason ?? .broken)
        }
        let (departure, depart) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.read(body)
                depart.finish()
            }
            group.addTask { try await self.pings() }
            group.addTask { try await self.watchAdmission() }
            group.addTask { try await self.watchAccess() }
            group.addTask {
                try await gracefulShutdown()
                self.outbox.close(WebSocketClose(1001, "the server goes down"), .shutdown)
            }
            group.addTask {
                for await _ in self.outbox.closing {}
                try await self.time.sleep(until: self.time.now().advanced(by: self.limits.closeTime))
                self.breakOff()
            }
            group.addTask { try await self.watchSlowness() }
            defer { group.cancelAll() }
            try await write(to: &writer)
            try await writer.finish(nil)
            // The client closes its side as well, or it is closed a little later.
            for await _ in departure {}
        }
    }

    // MARK: What the client says

    private func read(_ body: RequestBody) async {
        var parser = WebSocketParser(messageBytesMax: limits.messageBytesMax)
        var isDraining = false
        do {
            for try await buffer in body {
                guard !isDraining else { continue }
                outbox.heard()
                do {
                    for event in try parser.push(buffer.readableBytesView) {
                        guard try await take(event) else { return }
                    }
                } catch let close as WebSocketClose {
                    outbox.close(close, .violation)
                    isDraining = true
                }
            }
        } catch {
            // Broken off; that is told below.
        }
        outbox.end(.broken)
    }

    /// - Returns: whether more may come.
    private func take(_ event: WebSocketParser.Event) async throws -> Bool {
        if let answer = connection.answer?(event) {
            outbox.answer(answer)
            return true
        }
        switch event {
        case .text(let text): try await take(text)
        case .binary: throw WebSocketClose(1003, "only text is taken")
        case .ping(let bytes): outbox.answer(WebSocketFrame.pong(bytes))
        case .pong: break
        case .close(let close):
            outbox.close(WebSocketClose(close.code), .left)
            return false
        }
        return true
    }

    private func take(_ text: String) async throws {
        guard let message = try? JSONValue.parse(Array(text.utf8), depthMax: 8), let type = message["type"]?.string else {
            throw WebSocketClose(1007, "a message is a JSON object with a type")
        }
        guard !state.withLock({ $0.isAdmitted }) else { return }
        guard type == "auth", let token = message["token"]?.string else {
            outbox.close(WebSocketClose(4401, "the first message must be of type auth, with a token"), .refused)
            return
        }
        var since: Int64?
        if let given = message["since"], given != .null {
            guard let number = given.integer, number >= 0 else {
                outbox.close(WebSocketClose(4400, "since must be the number of an event"), .refused)
                return
            }
            since = number
        }
        do {
            let identity = try await floor.identity(bearer: token, now: time.now())
            guard identity.scopes.contains(connection.scope) else {
                throw Problem.forbidden("the scope \(connection.scope) is needed")
            }
            // The place of somebody unknown is given back for one in his own name.
            state.withLock { $0.place }?.release()
            let place = try connection.place(of: identity.principal)
            state.withLock { $0.place = place }
            take(Admission(identity: identity, since: since))
        } catch let problem as Problem {
            outbox.close(WebSocketClose(UInt16(clamping: 4000 + problem.kind.status), problem.detail), .refused)
        } catch {
            floor.logger.error("a live connection could not be admitted", metadata: ["error": "\(error)"])
            outbox.close(WebSocketClose(1011, "it can't be done right now"), .failed)
        }
    }

    private func take(_ admission: Admission) {
        let principal = admission.identity.principal
        note(principal.tenant.text, principal.user)
        state.withLock { state in
            state.isAdmitted = true
            state.admission = admission
        }
        admit.yield(floor.streamAccess(of: admission.identity))
        outbox.wake()
    }

    // MARK: What ends it

    private func pings() async throws {
        while !Task.isCancelled {
            try await time.sleep(until: time.now().advanced(by: limits.pingInterval))
            guard outbox.ping() < limits.pingsMax else {
                outbox.end(.silent)
                breakOff()
                return
            }
        }
    }

    private func watchAdmission() async throws {
        try await time.sleep(until: time.now().advanced(by: limits.authTime))
        guard !state.withLock({ $0.isAdmitted }) else { return }
        outbox.close(WebSocketClose(4401, "nobody has said who it is"), .refused)
    }

    private func watchAccess() async throws {
        for await access in admitted {
            try await access.end(time, every: limits.recheck)
            outbox.close(WebSocketClose(4401, "the credentials have ended"), .expired)
        }
    }

    private func watchSlowness() async throws {
        for await fill in outbox.fills {
            try await time.sleep(until: time.now().advanced(by: limits.lagTime))
            outbox.drop(stillFullSince: fill)
        }
    }

    // MARK: What it is told

    private func write(to writer: inout any ResponseBodyWriter) async throws {
        var wakes = outbox.wakes.makeAsyncIterator()
        var listener: LiveListener?
        while true {
            switch outbox.take(withPackets: listener?.isLive ?? false) {
            case .bytes(let bytes): try await writer.write(ByteBuffer(bytes: bytes))
            case .behind: listener = await listen(after: outbox.lastTaken)
            case .lagged:
                let last = max(outbox.lastTaken, listener?.told ?? 0)
                try await writer.write(ByteBuffer(bytes: WebSocketFrame.text(LivePacket.json("lagged", last))))
                outbox.close(WebSocketClose(1013, "too slow: go on from seq"), .lagged)
            case .close(let close):
                try await writer.write(ByteBuffer(bytes: WebSocketFrame.close(close)))
                return
            case .over: return
            case .nothing:
                let frames = await step(&listener)
                if let frames {
                    for frame in frames { try await writer.write(ByteBuffer(bytes: frame)) }
                } else if await wakes.next() == nil {
                    return
                }
            }
        }
    }

    /// Brings the listener nearer to the end of the log.
    /// - Returns: frames that go out; nil if there is nothing to do.
    private func step(_ listener: inout LiveListener?) async -> [[UInt8]]? {
        if listener?.isLive == false {
            return await reading { try await listener?.catchUp().map { WebSocketFrame.text($0.json) } } ?? []
        }
        guard listener == nil, state.withLock({ $0.admission }) != nil else { return nil }
        listener = await listen(after: nil)
        return listener.map { [WebSocketFrame.text(LivePacket.json("ready", $0.told))] } ?? []
    }

    /// - Parameter number: where to begin; nil: as was asked for.
    private func listen(after number: Int64?) async -> LiveListener? {
        guard var admission = state.withLock({ $0.admission }) else { return nil }
        admission.since = number ?? admission.since
        let turn = outbox.begin()
        return await reading { [outbox, metrics = connection.metrics] in
            try await LiveListener(admission, connection.feed) { packets in
                for packet in packets { metrics.offered(packet.type) }
                outbox.offer(packets, turn: turn)
            }
        }
    }

    /// Reads the log.
    /// - Returns: nil if that can't be done; then the connection ends.
    private func reading<Found>(_ body: () async throws -> Found?) async -> Found? {
        do {
            return try await body()
        } catch {
            if !(error is CancellationError) {
                floor.logger.error("a live connection could not read the log", metadata: ["error": "\(error)"])
            }
            outbox.close(WebSocketClose(1011, "it can't be done right now"), .failed)
            return nil
        }
    }
}
