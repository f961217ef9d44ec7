import Foundation
import Testing

@Suite struct GeneratedTests {
    @Test("the dashboard's embedded files are those of its folder")
    func embedded() throws {
        let folder = "Sources/Delivery/Dashboard/Assets"
        let assets = try Checkout.files(under: folder, suffix: "")
        #expect(assets.count > 10)
        #expect(Self.stale(assets, in: try Checkout.file(Checkout.generated).text) == [])
    }

    @Test("a changed, a new and a removed asset are found")
    func findsStale() {
        let embedded = "DashboardAsset(\n path: \"/dashboard/a.js\",\n body: ###\"\"\"\none\n\n\"\"\"###),\n"
        func complaints(_ texts: [String: String]) -> [String] {
            Self.stale(texts.sorted { $0.key < $1.key }.map { SourceFile(path: $0.key, text: $0.value) }, in: embedded)
        }
        #expect(complaints(["a.js": "one\n"]) == [])
        #expect(complaints(["a.js": "two\n"]) == ["a.js"])
        #expect(complaints(["a.js": "one\n", "b.js": "two\n"]) == ["b.js", "1 files embedded, 2 in the folder"])
        #expect(complaints([:]) == ["1 files embedded, 0 in the folder"])
    }

    @Test("no build product is tracked")
    func products() throws {
        #expect(Self.products(among: try Self.trackedFiles()) == [])
    }

    @Test("a build product is found by its path")
    func findsProducts() {
        let paths = ["Sources/A.swift", ".build/debug/a", "Sources/A.o", "x/__pycache__/y.pyc", "Sources/build.swift"]
        #expect(Self.products(among: paths) == [".build/debug/a", "Sources/A.o", "x/__pycache__/y.pyc"])
    }

    static func stale(_ assets: [SourceFile], in generated: String) -> [String] {
        let changed = assets.filter { !generated.contains("body: ###\"\"\"\n\($0.text)\n\"\"\"###)") }.map(\.path)
        let count = generated.ranges(of: "DashboardAsset(\n").count
        return changed + (count == assets.count ? [] : ["\(count) files embedded, \(assets.count) in the folder"])
    }

    static func products(among paths: [String]) -> [String] {
        paths.filter { path in
            path.contains(/(?:^|\/)(?:\.build[^\/]*|__pycache__|node_modules)\//)
                || path.contains(/\.(?:o|a|so|swiftmodule|pyc)$/)
        }
    }

    /// What git tracks; nothing where there is no git, as in an unpacked archive.
    private static func trackedFiles() throws -> [String] {
        guard Checkout.exists(".git") else { return [] }
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(filePath: "/usr/bin/env")
        git.arguments = ["git", "-c", "safe.directory=*", "-C", Checkout.root.path, "ls-files"]
        git.standardOutput = output
        try git.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        git.waitUntilExit()
        #expect(git.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
