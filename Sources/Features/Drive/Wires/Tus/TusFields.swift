import Foundation
import HTTPTypes
import WaybillEngine
import Web

/// The header fields of tus 1.0.
enum TusFields {
    static let version = "1.0.0"
    static let extensions = [
        "creation", "creation-with-upload", "creation-defer-length", "checksum", "checksum-trailer", "expiration", "termination",
        "concatenation", "concatenation-unfinished",
    ].joined(separator: ",")
    static let mediaType = "application/offset+octet-stream"

    static let resumable = named("Tus-Resumable")
    static let versions = named("Tus-Version")
    static let extensionNames = named("Tus-Extension")
    static let maxSize = named("Tus-Max-Size")
    static let checksumAlgorithms = named("Tus-Checksum-Algorithm")
    static let offset = named("Upload-Offset")
    static let length = named("Upload-Length")
    static let deferLength = named("Upload-Defer-Length")
    static let metadata = named("Upload-Metadata")
    static let expires = named("Upload-Expires")
    static let checksum = named("Upload-Checksum")
    static let concat = named("Upload-Concat")
    static let methodOverride = named("X-HTTP-Method-Override")

    /// The texts are constants, so that an empty fallback is never seen.
    private static func named(_ text: String) -> HTTPField.Name { HTTPField.Name(text) ?? .via }

    /// A number of a field; nil if the field is not there.
    /// - Throws: a 400 problem for anything but digits, or several.
    static func number(_ name: HTTPField.Name, in headers: HTTPFields) throws -> Int64? {
        let values = headers[values: name]
        guard let text = values.first else { return nil }
        guard values.count == 1, let number = UploadFields.number(text) else {
            throw Problem.invalid(name.rawName, "must be a whole number from 0, and there once")
        }
        return number
    }

    /// A time as HTTP has it: `Sun, 22 Nov 2026 09:30:00 GMT`.
    static func date(_ time: Timestamp) -> String {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let text = Array("\(WireTime(time))".utf8)
        func part(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
        let day = time.microseconds / 86_400_000_000
        let weekday = days[Int(((day % 7) + 7) % 7)]
        let month = months[min(11, max(0, (Int(part(5..<7)) ?? 1) - 1))]
        return "\(weekday), \(part(8..<10)) \(month) \(part(0..<4)) \(part(11..<19)) GMT"
    }
}

/// `Upload-Metadata`: what is said of a file when its upload begins.
struct TusMetadata: Sendable, Hashable {
    static let bytesMax = 8192

    /// As it came.
    let text: String
    private var values: [String: [UInt8]] = [:]

    /// - Throws: a 400 problem.
    init(_ text: String) throws {
        self.text = text
        guard text.utf8.count <= Self.bytesMax else { throw Self.wrong("has more than \(Self.bytesMax) bytes") }
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = pair.split(separator: " ")
            if parts.isEmpty, text.allSatisfy({ $0 == " " }) { return }
            guard (1...2).contains(parts.count), let key = parts.first.map(String.init),
                key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else { throw Self.wrong("must be pairs of a key and a value in base64") }
            guard let data = parts.count == 2 ? Data(base64Encoded: String(parts[1])) : Data() else {
                throw Self.wrong("the value of ‘\(key.prefix(100))’ is no base64")
            }
            guard values.updateValue(Array(data), forKey: key) == nil else {
                throw Self.wrong("‘\(key.prefix(100))’ is there twice")
            }
        }
    }

    private static func wrong(_ reason: String) -> Problem { .invalid("Upload-Metadata", reason) }

    /// The text under the first of these keys that has one.
    func text(_ keys: String...) -> String? {
        for key in keys {
            if let bytes = values[key], !bytes.isEmpty, let text = String(validating: bytes, as: UTF8.self) { return text }
        }
        return nil
    }
}
