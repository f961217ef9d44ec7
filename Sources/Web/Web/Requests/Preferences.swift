import HTTPTypes
import Hummingbird

/// What a client would like (RFC 7240): `Prefer: respond-async, wait=10`.
public struct Preferences: Sendable, Equatable {
    /// Longer waits are cut to this.
    public static let waitMax = Duration.seconds(60)
    /// How long to wait for the end of a job; nil if nothing was said.
    public var wait: Duration?
    public var respondAsync = false

    public init() {}

    /// What is not understood is ignored, as the RFC has it; of a preference that is there twice the first counts.
    public init(_ request: Request) {
        for item in request.headers[values: .prefer].flatMap({ $0.split(separator: ",") }).prefix(20) {
            let pair = item.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1).map { MediaTypeField.trim($0) }
            switch pair.first?.lowercased() {
            case "respond-async": respondAsync = true
            case "wait" where wait == nil && pair.count == 2:
                let digits = pair[1].filter { $0 != "\"" }
                guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { continue }
                wait = min(Preferences.waitMax, .seconds(Int(digits) ?? 60))
            default: continue
            }
        }
    }

    /// The `Preference-Applied` of an answer that honoured `wait`.
    public static func applied(wait: Duration) -> String { "wait=\(wait.components.seconds)" }
}
