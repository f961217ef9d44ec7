/// Who asks.
public struct WaybillCredential: Sendable, Hashable {
    let header: (name: String, value: String)

    /// A token (RFC 6750).
    public static func bearer(_ token: String) -> WaybillCredential {
        WaybillCredential(header: ("Authorization", "Bearer \(token)"))
    }

    /// An API key, sent as `ApiSecret`.
    public static func apiSecret(_ secret: String) -> WaybillCredential {
        WaybillCredential(header: ("ApiSecret", secret))
    }

    public static func == (left: WaybillCredential, right: WaybillCredential) -> Bool {
        left.header.name == right.header.name && left.header.value == right.header.value
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(header.name)
        hasher.combine(header.value)
    }
}

extension WaybillCredential: CustomStringConvertible, CustomReflectable {
    /// Never tells the secret.
    public var description: String { "\(header.name): ********" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
