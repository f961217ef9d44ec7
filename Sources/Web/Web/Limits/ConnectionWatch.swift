import NIOCore

/// Decides whether a connection is too slow: in sending a request's head, in sending its body, or in taking the answer.
struct ConnectionWatch {
    enum Verdict: Equatable {
        /// Nothing is late; look again then. Nil: there is nothing to wait for.
        case fine(until: NIODeadline?)
        /// The request did not come in time.
        case lateRequest
        /// The client does not take its answer, or goes on sending after it.
        case close
    }

    let limits: ServerLimits
    private var headSince: NIODeadline?
    private(set) var isReadingBody = false
    private var askedSince: NIODeadline?
    private var waited = TimeAmount.zero
    private var bodyBytes = 0
    private var fullSince: NIODeadline?
    private var answeredAt: NIODeadline?

    init(limits: ServerLimits) { self.limits = limits }

    /// Bytes came in, of whatever they are part.
    mutating func bytesArrived(now: NIODeadline, isBetweenRequests: Bool) {
        if isBetweenRequests, headSince == nil { headSince = now }
    }

    mutating func opened(now: NIODeadline) { headSince = now }

    mutating func headArrived() {
        headSince = nil
        isReadingBody = true
        askedSince = nil
        waited = .zero
        bodyBytes = 0
        answeredAt = nil
    }

    mutating func asked(now: NIODeadline) {
        if isReadingBody, askedSince == nil { askedSince = now }
    }

    mutating func bodyArrived(_ count: Int, now: NIODeadline) {
        if let asked = askedSince { waited = waited + (now - asked) }
        askedSince = nil
        bodyBytes += min(count, Int.max - bodyBytes)
    }

    mutating func endArrived() {
        isReadingBody = false
        askedSince = nil
        answeredAt = nil
    }

    mutating func answered(now: NIODeadline) {
        if isReadingBody { answeredAt = now }
    }

    mutating func writable(_ isWritable: Bool, now: NIODeadline) {
        fullSince = isWritable ? nil : (fullSince ?? now)
    }

    func verdict(now: NIODeadline) -> Verdict {
        var deadlines: [NIODeadline] = []
        if let headSince {
            let end = headSince + limits.headTime
            if now >= end { return .lateRequest }
            deadlines.append(end)
        }
        if let fullSince {
            let end = fullSince + limits.writeStall
            if now >= end { return .close }
            deadlines.append(end)
        }
        if let answeredAt {
            let end = answeredAt + limits.drainTime
            if now >= end { return .close }
            deadlines.append(end)
        }
        if isReadingBody, let askedSince {
            let end = askedSince + limits.bodyStall
            if now >= end || isDribbling(now: now, since: askedSince) { return .lateRequest }
            deadlines.append(min(end, now + .seconds(5)))
        }
        return .fine(until: deadlines.min())
    }

    /// Whether so few bytes came in all the time that was spent waiting for them. The time in which nobody asked does not count.
    private func isDribbling(now: NIODeadline, since: NIODeadline) -> Bool {
        let seconds = Double((waited + (now - since)).nanoseconds) / 1e9
        return seconds >= 15 && Double(bodyBytes) < seconds * Double(limits.bodyBytesPerSecondMin)
    }
}
