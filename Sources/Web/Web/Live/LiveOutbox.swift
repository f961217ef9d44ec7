import Synchronization

/// What waits to go out over one WebSocket, in bounded memory. Several tasks put things in, one takes them out and writes.
///
/// Each ping is answered; of very many that come before one can be, the last ones are (RFC 6455, section 5.5.3). When it is full,
/// no more packets are taken. A reader who has soon taken those that wait reads the log on his own then; one who has not is too
/// slow, is told so, and then it ends. Nobody else notices.
final class LiveOutbox: Sendable {
    enum Item: Equatable {
        /// Whole frames.
        case bytes([UInt8])
        /// Packets were left out behind those that were taken: they are in the log.
        case behind
        /// The same, and the reader has been too slow for them.
        case lagged
        case close(WebSocketClose)
        /// The peer has gone: nothing more can be told.
        case over
        /// There is nothing now.
        case nothing
    }

    /// As many packets go out with one write, so that many small ones don't cost a write each.
    private static let packetsAtOnce = 64
    /// So many answers may wait.
    static let answersMax = 128

    private struct State {
        var packets: [LivePacket] = []
        var lastTaken: Int64 = 0
        var isFull = false
        /// How often it was full.
        var fills = 0
        var isTooSlow = false
        /// Of what is offered: what was offered before the reader went to the log counts no more.
        var turn = 0
        /// Frames, above all pongs.
        var answers: [[UInt8]] = []
        var isPingDue = false
        var pingsUnanswered = 0
        var close: WebSocketClose?
        var isOver = false
        var reason: LiveEnding?
    }

    private let state = Mutex(State())
    private let packetsMax: Int
    /// Ticks when there may be something to take.
    let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    /// Ends when the connection should.
    let closing: AsyncStream<Void>
    private let closer: AsyncStream<Void>.Continuation
    /// Tells each time when it has become full, which time that was.
    let fills: AsyncStream<Int>
    private let filler: AsyncStream<Int>.Continuation

    init(packetsMax: Int) {
        self.packetsMax = packetsMax
        (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        (closing, closer) = AsyncStream.makeStream(of: Void.self)
        (fills, filler) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
    }

    func wake() { waker.yield() }

    /// The reader begins with the log, or goes back to it.
    /// - Returns: what to offer under.
    func begin() -> Int {
        state.withLock { state in
            (state.isFull, state.packets) = (false, [])
            state.turn += 1
            return state.turn
        }
    }

    /// Packets, each as a text. Those for which there is no room are left out, and no more are taken then.
    func offer(_ packets: [LivePacket], turn: Int) {
        let fill: Int? = state.withLock { state in
            guard turn == state.turn, !state.isFull, state.close == nil, !state.isOver else { return nil }
            let room = max(0, packetsMax - state.packets.count)
            state.packets += packets.prefix(room)
            state.isFull = packets.count > room
            guard state.isFull else { return nil }
            state.fills += 1
            return state.fills
        }
        if let fill { filler.yield(fill) }
        waker.yield()
    }

    /// It has been full for as long as it may.
    /// - Parameter fill: which time it became so; if it has been taken from since, nothing happens.
    func drop(stillFullSince fill: Int) {
        let isTooSlow = state.withLock { state in
            guard state.isFull, state.fills == fill else { return false }
            state.isTooSlow = true
            state.reason = state.reason ?? .lagged
            return true
        }
        if isTooSlow { closer.finish() }
        waker.yield()
    }

    /// Answers the peer with a frame.
    func answer(_ frame: [UInt8]) {
        state.withLock { state in
            if state.answers.count == Self.answersMax { state.answers.removeFirst() }
            state.answers.append(frame)
        }
        waker.yield()
    }

    /// - Returns: how many pings went before to which nothing came back.
    func ping() -> Int {
        defer { waker.yield() }
        return state.withLock { state in
            defer { state.pingsUnanswered += 1 }
            state.isPingDue = true
            return state.pingsUnanswered
        }
    }

    /// The peer lives.
    func heard() { state.withLock { $0.pingsUnanswered = 0 } }

    /// Ends it; the first who does so says why.
    func close(_ close: WebSocketClose, _ reason: LiveEnding) {
        state.withLock { state in
            state.close = state.close ?? close
            state.reason = state.reason ?? reason
        }
        closer.finish()
        waker.yield()
    }

    /// The peer has gone.
    func end(_ reason: LiveEnding) {
        state.withLock { state in
            state.isOver = true
            state.reason = state.reason ?? reason
        }
        closer.finish()
        waker.yield()
    }

    /// The number of the last packet that was taken; 0 if there was none.
    var lastTaken: Int64 { state.withLock { $0.lastTaken } }

    /// Why it has ended.
    var reason: LiveEnding? { state.withLock { $0.reason } }

    /// What goes out next.
    /// - Parameter withPackets: false: only what keeps the connection alive, or ends it.
    func take(withPackets: Bool) -> Item {
        state.withLock { state in
            if state.close == nil, state.isOver { return .over }
            if !state.answers.isEmpty {
                defer { state.answers = [] }
                return .bytes(Array(state.answers.joined()))
            }
            if let close = state.close { return .close(close) }
            if state.isPingDue {
                state.isPingDue = false
                return .bytes(WebSocketFrame.ping())
            }
            guard withPackets else { return .nothing }
            guard !state.packets.isEmpty else {
                return state.isTooSlow ? .lagged : state.isFull ? .behind : .nothing
            }
            let some = state.packets.prefix(Self.packetsAtOnce)
            state.packets.removeFirst(some.count)
            state.lastTaken = some.last?.number ?? state.lastTaken
            return .bytes(some.flatMap { WebSocketFrame.text($0.json) })
        }
    }
}
