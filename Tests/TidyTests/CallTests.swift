import Testing

@Suite struct CallTests {
    /// Something that may be written in few places only, and why.
    struct Rule: Sendable, CustomTestStringConvertible {
        var name: String
        var pattern: @Sendable (String) -> [String.Index]
        var isAllowed: @Sendable (String) -> Bool
        /// Text that breaks it.
        var offence: String
        /// Text that looks like it and does not.
        var lookalike: String

        var testDescription: String { name }
    }

    static let rules = [
        Rule(
            name: "Task { and Task.detached only in services, so that life stays structured",
            pattern: { $0.ranges(of: /\bTask(?:<[^>]*>)?(?:\([^)]*\))?\s*\{|\bTask\.detached\b/).map(\.lowerBound) },
            isAllowed: { $0.hasSuffix("Service.swift") },
            offence: "Task(priority: .low) { await run() }", lookalike: "struct UploadTask { } // Task { }"),
        Rule(
            name: "print only in commands, because the rest may run where nobody reads",
            pattern: { $0.ranges(of: /(?:^|[^.\w])print\(/).map(\.lowerBound) },
            isAllowed: { $0.hasPrefix("Sources/Front/Commands/") },
            offence: "if debugging { print(x) }", lookalike: "blueprint(x); page.print(x)"),
        Rule(
            name: "clock, randomness and environment only in front, so that tests can fix them",
            pattern: {
                $0.ranges(of: /\b(?:Date|UUID|ContinuousClock)\(\)|\.random\(in:|\bProcessInfo\b/)
                    .map(\.lowerBound)
            },
            isAllowed: { $0.hasPrefix("Sources/Front/") },
            offence: "let id = UUID()", lookalike: "let date = Date(timeIntervalSince1970: 0)"),
        Rule(
            name: "no try! and no as!, because a trap is everybody's outage",
            pattern: { $0.ranges(of: /\btry!|\bas!/).map(\.lowerBound) },
            isAllowed: { _ in false },
            offence: "let a = try! b()", lookalike: "let a = \"try! \" // as!"),
        Rule(
            name: "what a kind does at the end of its jobs is called only if its type says that it does something",
            pattern: { text in
                if text.contains("JobEndHandler") { return [] }
                return text.ranges(of: /func ended\(_ \w+: JobRecord, in/).map(\.lowerBound)
            },
            isAllowed: { _ in false },
            offence: "func ended(_ job: JobRecord, in session: any SQLSession) throws {}",
            lookalike: "struct A: JobEndHandler { func ended(_ job: JobRecord, in session: any SQLSession) throws {} }"),
    ]

    @Test("calls stand only where they may", arguments: rules)
    func calls(rule: Rule) throws {
        let found = try Checkout.sources().flatMap { Self.offences($0, rule) }
        #expect(found == [])
    }

    @Test("a call in the wrong place is found", arguments: rules)
    func finds(rule: Rule) {
        let bad = SourceFile(path: "Sources/Engine/A.swift", text: "import X\n\(rule.offence)\n")
        #expect(Self.offences(bad, rule).map(\.line) == [2])
        #expect(Self.offences(SourceFile(path: "Sources/Engine/A.swift", text: rule.lookalike), rule) == [])
    }

    static func offences(_ file: SourceFile, _ rule: Rule) -> [Complaint] {
        guard !rule.isAllowed(file.path) else { return [] }
        let code = file.code
        return rule.pattern(code).map { index in
            // A match may begin with the character before, which may be a line break.
            let start = code[index].isNewline ? code.index(after: index) : index
            return file.complaint(SourceFile.line(of: start, in: code[...]), rule.name)
        }
    }
}
