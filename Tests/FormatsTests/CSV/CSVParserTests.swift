import Formats
import Testing

@Suite struct CSVParserTests {
    /// Each record as `line: field|field`, null as `~`; a failure as `line! CODE`.
    private func read(
        _ bytes: [UInt8], piece: Int = 1 << 16, parser: CSVParser = CSVParser(), raw: ((String) -> Void)? = nil
    ) -> [String] {
        var found: [String] = []
        func drain() {
            while let item = parser.next() {
                switch item {
                case .record(let record):
                    raw?(String(decoding: record.raw, as: UTF8.self))
                    let fields = (0..<record.count).map {
                        record[$0].isNull ? "~" : String(decoding: record[$0].bytes, as: UTF8.self)
                    }
                    found.append("\(record.line): " + fields.joined(separator: "|"))
                case .failure(let error, let bytes):
                    raw?(String(decoding: bytes, as: UTF8.self))
                    found.append("\(error.line)! \(error.code.name)")
                }
            }
        }
        for start in stride(from: 0, to: bytes.count, by: piece) {
            Array(bytes[start..<min(start + piece, bytes.count)]).exact { parser.push($0) }
            drain()
        }
        parser.finish()
        drain()
        return found
    }

    private static let table: [(String, [String])] = [
        ("", []),
        ("a,b\r\n", ["1: a|b"]),
        ("a,b\nc,d", ["1: a|b", "2: c|d"]),
        ("a,,\"\"\n,\n", ["1: a|~|", "2: ~|~"]),
        ("\"a,b\",\"c\"\"d\",\"\"\"\"\r\n", ["1: a,b|c\"d|\""]),
        ("\"a\nb\r\n\",x\r\ny,z\r\n", ["1: a\nb\r\n|x", "4: y|z"]),
        ("\u{FEFF}id,é\n1,€😀\n", ["1: id|é", "2: 1|€😀"]),
        ("a,b\n\n\r\nc,d\n", ["1: a|b", "4: c|d"]),
        ("a,", ["1: a|~"]),
        ("a\r", ["1: a"]),
        ("\"a\"", ["1: a"]),
        ("\"a\"\r", ["1: a"]),
        ("a b , c\n", ["1: a b | c"]),
        ("a\rb,c\n", ["1: a\rb|c"]),
        ("abcdefghijklmnopqrstuvwxyz,\"abcdefghijklmnop\"\n", ["1: abcdefghijklmnopqrstuvwxyz|abcdefghijklmnop"]),
        // What is wrong and ends it
        ("x\n\"a\nb", ["1: x", "2! CSV_UNTERMINATED_QUOTE"]),
        ("x\ny\n\"a\"b,c\nd\n", ["1: x", "2: y", "3! CSV_TEXT_AFTER_QUOTE"]),
        ("\"a\"\rb\n", ["1! CSV_TEXT_AFTER_QUOTE"]),
        ("x\na\"b\"\nd\n", ["1: x", "2! CSV_STRAY_QUOTE"]),
        // What is wrong and can be gone on from
        ("x\na\0b\ny\n", ["1: x", "2! CSV_NUL", "3: y"]),
    ]

    @Test("the conformance table holds wherever the pieces end", arguments: [1, 2, 3, 7, 8, 1000])
    func conformance(_ piece: Int) {
        for (text, expected) in CSVParserTests.table {
            #expect(read([UInt8](text), piece: piece) == expected, "\(text.debugDescription)")
        }
    }

    @Test("a record with bytes that are not UTF-8 is told by its line, and the next is read", arguments: [1, 4, 100])
    func invalid(_ piece: Int) {
        let bytes = [UInt8]("a,b\n\"x\n") + [0xC3, 0x28] + [UInt8]("\",c\nd,e\n")
        #expect(read(bytes, piece: piece) == ["1: a|b", "2! CSV_INVALID_UTF8", "4: d|e"])
    }

    @Test("a record over the limit is told and passed over", arguments: [1, 4, 100])
    func tooLong(_ piece: Int) {
        let parser = CSVParser(recordBytesMax: 8)
        let text = "a,b\n12345678\n\"12345\n6789\",x\nc,d\n123456789"
        #expect(
            read([UInt8](text), piece: piece, parser: parser) == [
                "1: a|b", "2: 12345678", "3! CSV_RECORD_TOO_LONG", "5: c|d", "6! CSV_RECORD_TOO_LONG",
            ])
    }

    @Test("a record with too many fields is told and passed over", arguments: [1, 4, 100])
    func tooManyFields(_ piece: Int) {
        let parser = CSVParser(fieldsMax: 3)
        #expect(
            read([UInt8]("a,b,c\n1,2,3,\n1,2,3,4\nx\n,,,"), piece: piece, parser: parser) == [
                "1: a|b|c", "2! CSV_TOO_MANY_FIELDS", "3! CSV_TOO_MANY_FIELDS", "4: x", "5! CSV_TOO_MANY_FIELDS",
            ])
    }

    @Test("the raw bytes of a record are those that came, without the line end")
    func raw() {
        var raws: [String] = []
        _ = read([UInt8]("a,\"b\"\"\nc\"\r\nx\ny,\0\n"), raw: { raws.append($0) })
        #expect(raws == ["a,\"b\"\"\nc\"", "x", "y,\0"])
    }

    @Test("a blank line can be a record of one null")
    func blank() {
        #expect(read([UInt8]("a\n\nb\n"), parser: CSVParser(skipsBlankLines: false)) == ["1: a", "2: ~", "3: b"])
    }

    @Test("random rows come back as they were, whatever the delimiter and the pieces", arguments: 0..<40)
    func roundTrip(_ seed: Int) throws {
        var random = SeededNumbers(UInt64(seed))
        let delimiter = try #require(Array(",;\t|".utf8).randomElement(using: &random))
        let writer = CSVWriter(style: try #require(CSVStyle(byteOrderMark: Bool.random(using: &random), delimiter: delimiter)))
        let pieces = ["a", "b", "\"", "\r", "\n", ",", ";", "\t", "é", "€", "😀", " ", "0123456789", "=", "'"]
        let out = OutputBuffer()
        writer.begin(out)
        var rows: [[String?]] = []
        for _ in 0..<300 {
            var row: [String?] = [String(rows.count)]
            for _ in 0..<Int.random(in: 0..<8, using: &random) {
                let length = Int.random(in: 0..<14, using: &random)
                row.append(length == 13 ? nil : (0..<length).map { _ in pieces.randomElement(using: &random) ?? "" }.joined())
            }
            for field in row {
                if let field { #expect([UInt8](field).exact { writer.text($0, to: out) }) } else { writer.null(to: out) }
            }
            writer.endRow(out)
            rows.append(row)
        }
        let parser = CSVParser(delimiter: delimiter)
        var found: [[String?]] = []
        var left = out.takeBytes()[...]
        while !left.isEmpty {
            let count = min(left.count, Int.random(in: 1...200, using: &random))
            parser.push(Array(left.prefix(count)))
            left = left.dropFirst(count)
            if left.isEmpty { parser.finish() }
            while let item = parser.next() {
                guard case .record(let record) = item else {
                    Issue.record("a record was refused")
                    return
                }
                found.append(
                    (0..<record.count).map {
                        record[$0].isNull ? nil : String(decoding: record[$0].bytes, as: UTF8.self)
                    })
            }
        }
        #expect(found == rows)
    }

    @Test("no bytes crash the parser, and the pieces make no difference", arguments: 0..<20)
    func anything(_ seed: Int) {
        var random = SeededNumbers(UInt64(seed))
        let alphabet: [UInt8] = [0x22, 0x2C, 0x0A, 0x0D, 0x61, 0xC3, 0xA9, 0x00, 0xEF, 0xBB, 0xBF]
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0..<40, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            let whole = read(bytes, parser: CSVParser(recordBytesMax: 10, fieldsMax: 4))
            let split = read(bytes, piece: 1, parser: CSVParser(recordBytesMax: 10, fieldsMax: 4))
            #expect(whole == split, "\(bytes)")
        }
    }
}
