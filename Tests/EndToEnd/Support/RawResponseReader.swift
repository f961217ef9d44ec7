/// Reads one HTTP/1.1 answer from bytes that arrive in pieces, and hands out its body as it comes.
struct RawResponseReader {
    private enum Framing {
        case none, length(Int), chunked, untilClose
    }

    private(set) var response = RawResponse()
    private(set) var hasHead = false
    private(set) var isComplete = false
    private var bytes: [UInt8] = []
    private var framing = Framing.none
    private let isHead: Bool

    /// - Parameter isHead: the request was a HEAD, so no body follows.
    init(isHead: Bool = false) {
        self.isHead = isHead
    }

    /// - Returns: what arrived of the body.
    mutating func push(_ new: some Sequence<UInt8>) throws -> [UInt8] {
        bytes += new
        if !hasHead { try readHead() }
        guard hasHead else { return [] }
        let arrived = try readBody()
        response.body += arrived
        return arrived
    }

    /// The connection has closed.
    mutating func end() throws {
        if hasHead, case .untilClose = framing { isComplete = true }
        guard isComplete else { throw E2EError("the connection closed in the middle of an answer (\(response.status))") }
    }

    private mutating func readHead() throws {
        guard let end = Self.find([13, 10, 13, 10], in: bytes) else { return }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(by: "\r\n")
        bytes.removeFirst(end + 4)
        let parts = lines[0].split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, let status = Int(parts[1]) else { throw E2EError("no status line: \(lines[0])") }
        if status == 100 { return try readHead() }
        response.status = status
        for line in lines.dropFirst() {
            let name = line.prefix { $0 != ":" }
            let value = line.dropFirst(name.count + 1).drop { $0 == " " }
            response.headers.append((String(name), String(value)))
        }
        hasHead = true
        if isHead || status == 204 || status == 304 {
            framing = .none
        } else if response["Transfer-Encoding"]?.lowercased() == "chunked" {
            framing = .chunked
        } else if let length = response["Content-Length"].flatMap({ Int($0) }) {
            framing = .length(length)
        } else {
            framing = .untilClose
        }
    }

    private mutating func readBody() throws -> [UInt8] {
        switch framing {
        case .none:
            isComplete = true
            return []
        case .untilClose:
            defer { bytes = [] }
            return bytes
        case .length(let length):
            let taken = Array(bytes.prefix(length - response.body.count))
            bytes.removeFirst(taken.count)
            if response.body.count + taken.count == length { isComplete = true }
            return taken
        case .chunked:
            return try readChunks()
        }
    }

    private mutating func readChunks() throws -> [UInt8] {
        var arrived: [UInt8] = []
        var at = 0
        while !isComplete, let end = Self.find([13, 10], in: bytes, from: at) {
            let text = String(decoding: bytes[at..<end], as: UTF8.self)
            guard let size = Int(text.prefix { $0 != ";" }, radix: 16) else { throw E2EError("no chunk size: \(text)") }
            guard bytes.count >= end + 2 + size + 2 else { break }
            arrived += bytes[(end + 2)..<(end + 2 + size)]
            at = end + 2 + size + 2
            if size == 0 { isComplete = true }
        }
        bytes.removeFirst(at)
        return arrived
    }

    static func find(_ mark: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Int? {
        var at = start
        while at + mark.count <= bytes.count {
            if bytes[at] == mark[0], bytes[at..<(at + mark.count)].elementsEqual(mark) { return at }
            at += 1
        }
        return nil
    }
}

extension String {
    func components(by separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
