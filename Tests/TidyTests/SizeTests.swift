import Testing

@Suite struct SizeTests {
    @Test("source files have at most 600 lines, test files 900")
    func files() throws {
        let found =
            try Checkout.sources().flatMap { Self.tooLong($0, limit: 600) }
            + Checkout.tests().flatMap { Self.tooLong($0, limit: 900) }
        #expect(found == [])
    }

    @Test("lines have at most 130 characters")
    func lines() throws {
        let found = try (Checkout.sources() + Checkout.tests()).flatMap { Self.tooWide($0, limit: 130) }
        #expect(found == [])
    }

    @Test("functions have at most 80 lines")
    func functions() throws {
        let found = try Checkout.sources().flatMap { Self.longFunctions($0, limit: 80) }
        #expect(found == [])
    }

    @Test("a file that is too long is found")
    func findsLongFile() {
        let file = SourceFile(path: "A.swift", text: "a\nb\nc\n")
        #expect(Self.tooLong(file, limit: 3) == [])
        #expect(Self.tooLong(file, limit: 2).map(\.line) == [3])
    }

    @Test("a line that is too wide is found, counted in characters")
    func findsWideLine() {
        let file = SourceFile(path: "A.swift", text: "short\nnäïve\n123456\n")
        #expect(Self.tooWide(file, limit: 5).map(\.line) == [3])
    }

    @Test("a function that is too long is found, whatever its signature, braces and strings")
    func findsLongFunction() {
        let text = """
            protocol P {
                func none(_ a: Int) -> Int
                init()
            }
            struct S {
                func short() { a { b() } }
                public static func long<T>(
                    _ a: [T] = [], then: (() -> Void)? = nil
                ) async throws -> T
                where T: P {
                    let brace = "}"  // }
                    if a { b() }
                }
                init?(text: String) {
                    a()
                    b()
                }
            }
            """
        let file = SourceFile(path: "A.swift", text: text)
        #expect(Self.longFunctions(file, limit: 3).map(\.line) == [7, 14])
        #expect(Self.longFunctions(file, limit: 7) == [])
    }

    static func tooLong(_ file: SourceFile, limit: Int) -> [Complaint] {
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        return count > limit ? [file.complaint(count, "\(count) lines, at most \(limit)")] : []
    }

    static func tooWide(_ file: SourceFile, limit: Int) -> [Complaint] {
        file.lines.enumerated().filter { $0.element.count > limit }
            .map { file.complaint($0.offset + 1, "\($0.element.count) characters, at most \(limit)") }
    }

    static func longFunctions(_ file: SourceFile, limit: Int) -> [Complaint] {
        let code = file.code
        return code.matches(of: /(?m)^[ \t]*(?:[@a-z]+(?:\([a-z]*\))?[ \t]+)*(?:func[ \t]|init[?(<])/).compactMap { match in
            guard let body = self.body(code[match.range.lowerBound...]) else { return nil }
            let count = SourceFile.line(of: body, in: code[match.range.lowerBound...])
            guard count > limit else { return nil }
            let first = SourceFile.line(of: match.range.lowerBound, in: code[...])
            return file.complaint(first, "a function of \(count) lines, at most \(limit)")
        }
    }

    /// The closing brace of the function that starts here; nil for a requirement without a body.
    private static func body(_ code: Substring) -> Substring.Index? {
        var depth = 0
        var isOpen = false
        for index in code.utf8.indices {
            switch code.utf8[index] {
            case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "{"):
                if depth == 0 { isOpen = true }
                depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                if depth == 0, isOpen { return index }
                if depth < 0 { return nil }
            case UInt8(ascii: "\n") where depth == 0 && !isOpen:
                let next = code[index...].drop { $0.isWhitespace }
                guard ["{", "->", "where", "throws", "async"].contains(where: next.hasPrefix) else { return nil }
            default: break
            }
        }
        return nil
    }
}
