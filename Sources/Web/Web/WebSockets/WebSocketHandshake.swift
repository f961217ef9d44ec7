import Crypto
import Foundation
import HTTPTypes
import Hummingbird

/// The opening handshake of RFC 6455, section 4.2.
public enum WebSocketHandshake {
    private static let version = "13"
    private static let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The fields of the 101 that accepts.
    /// - Throws: a 426 problem if no WebSocket is asked for, or one of another version, a 400 problem if it is asked for wrongly.
    public static func accept(_ request: Request) throws -> HTTPFields {
        guard request.method == .get, has("websocket", request.headers[values: .upgrade]),
            has("upgrade", request.headers[values: .connection])
        else { throw refusal("this is a WebSocket, and nothing else") }
        guard request.headers[values: .secWebSocketVersion] == [version] else { throw refusal("version 13 is taken") }
        let keys = request.headers[values: .secWebSocketKey]
        guard keys.count == 1, keys[0].utf8.count == 24, Data(base64Encoded: keys[0])?.count == 16 else {
            throw Problem.invalid("Sec-WebSocket-Key", "must be 16 bytes in base64")
        }
        guard !has(request) else { throw Problem.invalid("body", "a request for a WebSocket has none") }
        let digest = Insecure.SHA1.hash(data: Data((keys[0] + guid).utf8))
        return [
            .upgrade: "websocket", .connection: "Upgrade", .secWebSocketAccept: Data(digest).base64EncodedString(),
        ]
    }

    private static func has(_ request: Request) -> Bool {
        (request.headers[.contentLength] ?? "0") != "0" || request.headers.contains(.transferEncoding)
    }

    private static func has(_ token: String, _ values: [String]) -> Bool {
        values.contains { value in
            value.split(separator: ",").contains { $0.filter { $0 != " " && $0 != "\t" }.lowercased() == token }
        }
    }

    private static func refusal(_ detail: String) -> Problem {
        Problem(.upgradeRequired, detail).header(.upgrade, "websocket").header(.connection, "Upgrade, close")
            .header(.secWebSocketVersion, version)
    }
}
