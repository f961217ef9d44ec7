import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The question for the fields behind a body, which goes down the connection to where they were seen.
struct TrailersWanted: Sendable {
    final class Answer: Sendable {
        private let fields = Mutex<HTTPFields>([:])
        var value: HTTPFields { fields.withLock { $0 } }
        func give(_ found: HTTPFields) { fields.withLock { $0 = found } }
    }

    let answer = Answer()
}

/// The fields behind the bodies of a connection's requests. Answers come in the order of the requests, so the oldest that is not
/// answered is the one that is being dealt with.
struct KeptTrailers {
    private var ofRequests: [HTTPFields] = []

    var current: HTTPFields { ofRequests.first ?? [:] }

    mutating func begin() { ofRequests.append([:]) }

    mutating func end(_ fields: HTTPFields?) {
        guard let fields, !ofRequests.isEmpty else { return }
        ofRequests[ofRequests.count - 1] = fields
    }

    mutating func answered() {
        if !ofRequests.isEmpty { ofRequests.removeFirst() }
    }
}

extension WebContext {
    /// The fields that came behind the body. They are known once the body has been read to its end; none before, and none where
    /// there is no connection.
    public func trailers() async -> HTTPFields {
        let wanted = TrailersWanted()
        do {
            try await channel.triggerUserOutboundEvent(wanted).get()
        } catch {
            // Nobody on the way knows the question, or the connection is gone.
            return [:]
        }
        return wanted.answer.value
    }

    /// Sends an interim answer (1xx), ahead of the final one.
    public func inform(_ status: HTTPResponse.Status, _ fields: HTTPFields) async {
        guard status.kind == .informational else { return }
        do {
            try await channel.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: status, headerFields: fields)))
        } catch {
            // The connection is gone, which whoever reads the body is told as well.
        }
    }
}
