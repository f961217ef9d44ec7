import Testing

@Suite struct DocumentationTests {
    static let folders = ["Documentation", "Sample", "Examples", "Benchmarks", "Deploy"]

    static func pages() throws -> [SourceFile] {
        let pages = try folders.flatMap { try Checkout.files(under: $0, suffix: ".md") }
        return try pages + (Checkout.exists("README.md") ? [Checkout.file("README.md")] : [])
    }

    @Test("links in the documentation lead to files and headings that are there")
    func links() throws {
        let pages = try Self.pages()
        #expect(pages.flatMap { page in Self.deadLinks(page, among: pages, exists: Checkout.exists) } == [])
    }

    @Test("a link to a missing file or heading is found")
    func finds() {
        let text = """
            # The first page
            [a](B.md) [b](C.md) [c](../Sources) [d](#the-first-page) [e](#none) [f](https://example.org/x.md)
            `[g](D.md)` [h](B.md#gone)
            ```
            [i](E.md)
            ```
            """
        let page = SourceFile(path: "Documentation/A.md", text: text)
        let other = SourceFile(path: "Documentation/B.md", text: "# Here\n")
        let complaints = Self.deadLinks(page, among: [page, other]) { ["Documentation/B.md", "Sources"].contains($0) }
        #expect(complaints.map(\.text) == ["C.md is not there", "#none is not there", "B.md#gone is not there"])
    }

    static func deadLinks(_ page: SourceFile, among pages: [SourceFile], exists: (String) -> Bool) -> [Complaint] {
        var complaints: [Complaint] = []
        var isListing = false
        for (number, line) in page.lines.enumerated() {
            if line.hasPrefix("```") { isListing.toggle() }
            guard !isListing else { continue }
            for match in line.replacing(/`[^`]*`/, with: "").matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains("://") {
                let parts = match.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let path = parts[0].isEmpty ? page.path : resolve(String(parts[0]), from: page.path)
                let target = pages.first { $0.path == path }
                let hasHeading = parts.count < 2 || target.map { headings($0).contains(String(parts[1])) } ?? true
                if !(target != nil || exists(path)) || !hasHeading {
                    complaints.append(page.complaint(number + 1, "\(match.1) is not there"))
                }
            }
        }
        return complaints
    }

    private static func resolve(_ link: String, from path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in link.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// The anchors of a page's headings, as they are made of their words.
    private static func headings(_ page: SourceFile) -> Set<String> {
        Set(
            page.lines.filter { $0.hasPrefix("#") }.map { line in
                let words = line.drop { $0 == "#" || $0 == " " }.lowercased()
                return String(words.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : nil })
            })
    }
}
