/// What a passphrase must be that is sent in a request.
public struct PassphraseRule: Sendable {
    /// In characters.
    public let length: ClosedRange<Int>

    public init(_ length: ClosedRange<Int>) {
        self.length = length
    }

    /// What is wrong with a text; nil: nothing. It does not repeat it.
    public func wrong(_ text: String) -> String? {
        guard length.contains(text.unicodeScalars.count),
            !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { return "must have \(length.lowerBound) to \(length.upperBound) characters, and no control characters" }
        return nil
    }
}
