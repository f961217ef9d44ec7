import Formats
import WaybillEngine

/// Whether somebody is among readers: `everyone`, `role:NAME`, `user:NAME`. An `admin` always is.
enum ReaderAccess {
    /// Different values of a column of readers that are looked at. A table with more needs a list, or a column of roles.
    static let valuesMax = 10_000

    /// - Parameter principal: of the rows' tenant.
    static func admits(_ principal: Principal, among readers: some Sequence<some StringProtocol>) -> Bool {
        principal.roles.contains("admin") || readers.contains { isNamed(principal, by: $0) }
    }

    /// - Parameter text: what a cell holds: readers, separated by commas or spaces.
    static func admits(_ principal: Principal, to text: String) -> Bool {
        admits(principal, among: text.split { $0 == "," || $0 == " " })
    }

    /// Compared bytewise, not by canonical equivalence.
    private static func isNamed(_ principal: Principal, by reader: some StringProtocol) -> Bool {
        let bytes = reader.utf8
        if bytes.elementsEqual("everyone".utf8) { return true }
        if bytes.starts(with: "user:".utf8) { return bytes.dropFirst(5).elementsEqual(principal.user.utf8) }
        guard bytes.starts(with: "role:".utf8) else { return false }
        return principal.roles.contains { bytes.dropFirst(5).elementsEqual($0.utf8) }
    }
}

/// The rows of a table that a user may read, by the values of its column of readers.
enum ReadableRows: Sendable, Hashable {
    case all
    case none
    /// Those whose column holds one of these texts.
    case holding([String])

    /// The texts as a JSON array, for one bound value.
    static func json(_ texts: [String]) -> String {
        let out = OutputBuffer(capacity: 1024)
        out.append(UInt8(ascii: "["))
        for (index, text) in texts.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            JSONWriter.string(text, to: out)
        }
        out.append(UInt8(ascii: "]"))
        return out.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
