import NIOCore
import Testing

@testable import Web

@Suite struct MultipartParserTests {
    private static let form = [
        "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\n{\"a\":1}\r\n--XX  \r\n",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a;b \\\"x\\\".csv\"\r\n"
            + "Content-Type: Text/CSV; charset=utf-8\r\n\r\n",
        "a,b\r\n1,2\r\n--X\r\n-\r--XY\r\n--XX\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--XX--\r\nepilogue --XX",
    ].joined()

    private func parse(_ text: String, step: Int, parts: Int = 8) throws -> [(part: MultipartPart, body: String)] {
        var parser = MultipartParser(boundary: "XX", headBytesMax: 512, partsMax: parts)
        var bytes = Array(text.utf8)[...]
        var found: [(MultipartPart, [UInt8])] = []
        while true {
            switch try parser.next() {
            case .part(let part): found.append((part, []))
            case .bytes(let more): found[found.count - 1].1 += more.readableBytesView
            case .partEnd: continue
            case .end: return found.map { ($0, String(decoding: $1, as: UTF8.self)) }
            case nil:
                guard !bytes.isEmpty else { throw MultipartParser.Fault(reason: "breaks off") }
                parser.append(ByteBuffer(bytes: bytes.prefix(step)))
                bytes = bytes.dropFirst(step)
            }
        }
    }

    @Test("a form is read whatever the pieces it comes in", arguments: [1, 2, 3, 7, 64, 10_000])
    func pieces(step: Int) throws {
        let parts = try parse(MultipartParserTests.form, step: step)
        try #require(parts.count == 3)
        #expect(parts[0].part == MultipartPart(name: "form", filename: nil, mediaType: nil))
        #expect(parts[0].body == "{\"a\":1}")
        #expect(parts[1].part == MultipartPart(name: "file", filename: "a;b \"x\".csv", mediaType: "text/csv"))
        #expect(parts[1].body == "a,b\r\n1,2\r\n--X\r\n-\r--XY")
        #expect(parts[2].part.name == "empty")
        #expect(parts[2].body == "")
    }

    @Test(
        "a form that is not valid is refused",
        arguments: [
            "", "no boundary", "--XX", "--XX\r\n", "--XX\r\n\r\nx\r\n--XX--",
            "--XXjunk\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
            "--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--XX--", "--XX\r\nno colon\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--XX--",
            "--XX\r\nContent-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b\r\n\r\nx\r\n--XX--",
        ])
    func refused(text: String) {
        for step in [1, 1000] { #expect(throws: MultipartParser.Fault.self) { try parse(text, step: step) } }
    }

    @Test("a header or a preamble without an end, and too many parts, are refused")
    func limits() {
        let part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n"
        #expect(throws: MultipartParser.Fault.self) { try parse(String(repeating: "a", count: 100_000), step: 100) }
        #expect(throws: MultipartParser.Fault.self) {
            try parse("--XX\r\nA: " + String(repeating: "a", count: 100_000), step: 100)
        }
        #expect(throws: MultipartParser.Fault.self) { try parse(String(repeating: part, count: 9) + "--XX--", step: 100) }
        #expect(throws: Never.self) { try parse(String(repeating: part, count: 8) + "--XX--", step: 100) }
    }

    @Test("a body full of beginnings of a boundary comes out as it went in", arguments: [1, 5, 6, 7, 1000])
    func beginnings(step: Int) throws {
        let body = String(repeating: "\r\r\n\r\n-\r\n--\r\n--X", count: 50) + "\r"
        let parts = try parse("--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\(body)\r\n--XX--", step: step)
        #expect(parts.map(\.body) == [body])
    }

    @Test("bytes that no boundary can begin in are passed on at once, and only those are kept that one may begin in")
    func passingOn() throws {
        var parser = MultipartParser(boundary: "XX", headBytesMax: 512, partsMax: 8)
        parser.append(ByteBuffer(string: "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n"))
        guard case .part = try parser.next() else { throw MultipartParser.Fault(reason: "no part") }
        #expect(try parser.next() == nil)
        parser.append(ByteBuffer(string: "abc\r\n--Xdef"))
        #expect(try parser.next() == .bytes(ByteBuffer(string: "abc\r\n--Xdef")))
        #expect(try parser.next() == nil)
        parser.append(ByteBuffer(string: "ghi\r\n--X"))
        #expect(try parser.next() == .bytes(ByteBuffer(string: "ghi")))
        #expect(try parser.next() == nil)
        parser.append(ByteBuffer(string: "Y"))
        #expect(try parser.next() == .bytes(ByteBuffer(string: "\r\n--XY")))
    }

    @Test("boundaries are 1 to 70 characters of the alphabet")
    func boundaries() {
        #expect(MultipartReader.isBoundary("----WebKitFormBoundaryABC123"))
        for bad in ["", " ", "a ", "a\"b", "a~", String(repeating: "a", count: 71), "é"] {
            #expect(!MultipartReader.isBoundary(bad))
        }
    }
}
