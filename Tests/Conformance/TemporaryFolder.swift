import Foundation

/// A folder that is removed with all that is in it when the test lets it go.
final class TemporaryFolder: Sendable {
    let path: String

    /// Where files may lie for a while; mostly on different file systems.
    static var places: [String] {
        [NSTemporaryDirectory(), "/dev/shm", "/var/tmp"].filter { FileManager.default.isWritableFile(atPath: $0) }
    }

    init(in place: String = NSTemporaryDirectory()) throws {
        var template = Array((place + "/conformance-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The files below it, relative to it, in order.
    func files() -> [String] {
        let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return all.filter { file in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(path)/\(file)", isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }

    func permissions(_ file: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(file)")
        return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
    }
}
