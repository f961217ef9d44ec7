import HTTPTypes
import Hummingbird
import NIOCore
import WaybillEngine

/// What goes with a request from the first layer to the route.
public struct WebContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// The id under which log and client speak of the request: 1 to 64 of `[A-Za-z0-9._-]`.
    public internal(set) var requestID: String
    /// The peer's address without its port; empty where there is no network.
    public let remoteAddress: String
    /// Who asks.
    public internal(set) var access: Access
    /// The query's parameters, once the route's own table has let them through.
    public internal(set) var query: QueryParameters
    /// When the request came.
    public internal(set) var arrivedAt: Timestamp
    let record: RequestRecord
    let channel: any Channel

    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        requestID = ""
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? ""
        access = .anonymous
        query = QueryParameters()
        arrivedAt = Timestamp(microseconds: 0)
        record = RequestRecord()
        channel = source.channel
    }

    /// Ends the connection, whatever is still on its way.
    func breakOff() { channel.close(promise: nil) }

    /// The template of the route, `/content/export/{jobId}`, or nil if there is none.
    public var route: String? { endpointPath == "NotFound" ? nil : endpointPath }
}

extension WebContext {
    /// A part of the path, percent-decoded.
    /// - Throws: a 404 problem if it is no valid text, or over 1 KiB.
    public func path(_ name: String) throws -> String {
        guard let raw = parameters.get(name), let text = PercentCoding.decode(raw), !text.isEmpty, text.utf8.count <= 1024 else {
            throw Problem.notFound()
        }
        return text
    }

    /// A part of the path that is an id: 36 characters of a UUID, in lower case.
    /// - Throws: a 404 problem for anything else: such an id is simply unknown.
    public func pathID(_ name: String) throws -> String {
        let text = try path(name).lowercased()
        guard WebContext.isUUID(text) else { throw Problem.notFound() }
        return text
    }

    /// Whether a text is a UUID in its usual form, 8-4-4-4-12.
    public static func isUUID(_ text: String) -> Bool {
        guard text.utf8.count == 36 else { return false }
        return text.utf8.enumerated().allSatisfy { index, byte in
            switch index {
            case 8, 13, 18, 23: byte == UInt8(ascii: "-")
            default:
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                    UInt8(ascii: "A")...UInt8(ascii: "F"):
                    true
                default: false
                }
            }
        }
    }
}
