import Testing

@Suite struct NameTests {
    static let banned: Set<String> = [
        "Core", "Common", "Util", "Utils", "Utility", "Utilities", "Helper", "Helpers", "Manager", "Misc", "New", "Legacy",
        "Placeholder",
    ]

    @Test("no file or folder has a name that says nothing")
    func names() throws {
        let found = try (Checkout.sources() + Checkout.tests()).flatMap(Self.emptyNames)
        #expect(found == [])
    }

    @Test("a name that says nothing is found as a word of its own")
    func finds() {
        func complaints(_ path: String) -> Int { Self.emptyNames(SourceFile(path: path, text: "")).count }
        #expect(complaints("Sources/Engine/Core/Job.swift") == 1)
        #expect(complaints("Sources/Engine/JobHelpers.swift") == 1)
        #expect(complaints("Sources/Engine/Job+Utils.swift") == 1)
        #expect(complaints("Sources/Engine/Newsletter.swift") == 0)
        #expect(complaints("Sources/Engine/Score.swift") == 0)
    }

    static func emptyNames(_ file: SourceFile) -> [Complaint] {
        file.path.matches(of: /[A-Z]+(?![a-z])|[A-Z][a-z]+/).map(\.output).filter { banned.contains(String($0)) }
            .map { file.complaint(1, "\($0) says nothing") }
    }
}
