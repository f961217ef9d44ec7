import Crypto
import Foundation

/// A file that was loaded down.
public struct DownloadedFile: Sendable, Hashable {
    public var path: String
    public var bytes: Int64
    /// SHA-256 in small hexadecimal digits.
    public var sha256: String
    /// The name that the server proposes, if it does.
    public var filename: String?
    /// Whether the server told the SHA-256, so that it was compared.
    public var isVerified: Bool
}

/// Loads one file down, with as many requests as it takes (RFC 9110, ranges; RFC 9530, digests).
struct FileDownload: Sendable {
    let client: WaybillClient
    let request: WireRequest
    let path: String
    let progress: @Sendable (Int64, Int64?) -> Void

    func run() async throws -> DownloadedFile {
        var file = try PartialFile(path: path)
        do {
            return try await run(&file)
        } catch {
            if file.bytes == 0, file.isOpen { try file.remove() }
            throw error
        }
    }

    private func run(_ file: inout PartialFile) async throws -> DownloadedFile {
        var failures = 0
        while true {
            let before = file.bytes
            do {
                let head = try await attempt(&file)
                return try finish(&file, head)
            } catch let error as WaybillClientError where error.isTransient {
                failures = file.bytes > before ? 1 : failures + 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            }
        }
    }

    /// One request: from where the file ends, if it is still the same at the server.
    private func attempt(_ file: inout PartialFile) async throws -> DownloadHead {
        var request = request
        request.headers.append(("Accept-Encoding", "identity"))
        if let etag = file.etag, file.bytes > 0 {
            request.headers += [("Range", "bytes=\(file.bytes)-"), ("If-Range", etag)]
        }
        let response = try await client.caller.send(request, accepting: [416])
        let head = DownloadHead(response)
        switch response.status {
        case 206 where head.rangeStart == file.bytes: break
        case 416 where head.total == file.bytes && file.bytes > 0: return head
        case 416, 206:
            // The file there is another one than the part here.
            guard file.bytes > 0 else {
                throw WaybillClientError(.unexpectedAnswer, "the server sent another range than asked for")
            }
            try file.restart(etag: nil)
            throw WaybillClientError(.connectionLost, "the file changed; it is loaded anew")
        default: try file.restart(etag: head.etag)
        }
        progress(file.bytes, head.total)
        for try await chunk in response.body {
            try file.append(chunk)
            progress(file.bytes, head.total)
        }
        if let total = head.total, file.bytes < total {
            throw WaybillClientError(.connectionLost, "the download broke off at \(file.bytes) of \(total) bytes")
        }
        return head
    }

    private func finish(_ file: inout PartialFile, _ head: DownloadHead) throws -> DownloadedFile {
        let whole: DownloadedFile
        do {
            whole = try head.file(at: path, bytes: file.bytes, digest: file.digest)
        } catch {
            try file.remove()
            throw error
        }
        try file.publish()
        return whole
    }
}

/// What the head of an answer says of the file.
struct DownloadHead: Sendable {
    /// Strong ones only: a weak one does not promise the same bytes.
    var etag: String?
    var total: Int64?
    var rangeStart: Int64?
    var sha256: [UInt8]?
    var filename: String?

    init(_ response: WireResponse) {
        let tag = response.headers["etag"]
        etag = tag?.hasPrefix("\"") == true ? tag : nil
        filename = response.headers["content-disposition"].flatMap(DownloadHead.filename)
        sha256 = response.headers["repr-digest"].flatMap(DownloadHead.sha256)
        if let range = response.headers["content-range"], range.hasPrefix("bytes ") {
            let parts = range.dropFirst(6).split(separator: "/")
            if parts.count == 2 {
                total = Int64(parts[1])
                rangeStart = parts[0].split(separator: "-").first.flatMap { Int64($0) }
            }
        } else if response.status == 200 {
            total = response.headers["content-length"].flatMap { Int64($0) }
        }
    }

    /// What has arrived, held against the digest that the server has told, if it has.
    /// - Throws: `WaybillClientError` with code `.digestMismatch`; then it is to be removed.
    func file(at path: String, bytes: Int64, digest: [UInt8]) throws -> DownloadedFile {
        guard sha256.map({ $0 == digest }) ?? true else {
            throw WaybillClientError(
                .digestMismatch, "the file that arrived is not the one that the server described; it was removed")
        }
        return DownloadedFile(
            path: path, bytes: bytes, sha256: digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(),
            filename: filename, isVerified: sha256 != nil)
    }

    /// The member `sha-256=:base64:` of a dictionary (RFC 9651).
    static func sha256(_ text: String) -> [UInt8]? {
        for member in text.split(separator: ",") {
            let pair = member.drop { $0 == " " || $0 == "\t" }
            guard pair.hasPrefix("sha-256=:"), let end = pair.dropFirst(9).firstIndex(of: ":") else { continue }
            guard let data = Data(base64Encoded: String(pair.dropFirst(9)[..<end])), data.count == 32 else { return nil }
            return [UInt8](data)
        }
        return nil
    }

    /// The name in a `Content-Disposition` (RFC 6266), without any folder.
    static func filename(_ text: String) -> String? {
        var plain: String?
        for parameter in text.split(separator: ";").dropFirst() {
            let pair = parameter.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            switch pair[0].lowercased() {
            case "filename*" where pair[1].lowercased().hasPrefix("utf-8'"):
                if let name = pair[1].split(separator: "'", omittingEmptySubsequences: false).last.flatMap({
                    String($0).removingPercentEncoding
                }) {
                    return lastPart(name)
                }
            case "filename": plain = pair[1].trimmingCharacters(in: CharacterSet(charactersIn: "\" "))
            default: break
            }
        }
        return plain.flatMap(lastPart)
    }

    private static func lastPart(_ name: String) -> String? {
        let last = name.split { $0 == "/" || $0 == "\\" }.last.map(String.init)
        return last == "." || last == ".." ? nil : last
    }
}
