import Foundation
import Testing

@testable import Commands

@Suite struct DoctorTests {
    func withFolder(_ body: (String) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "waybill-doctor-" + ProcessInfo.processInfo.globallyUniqueString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test("a good folder is found good, and nothing is left in it")
    func good() async throws {
        try await withFolder { path in
            let findings = DoctorExamination.folder(path)
            #expect(findings.first == DoctorFinding(name: "folder", level: .ok, message: "\(path) can be written and read"))
            let left = try FileManager.default.contentsOfDirectory(atPath: path)
            #expect(left.isEmpty)
        }
    }

    @Test("a key that others can read is a fault")
    func openKey() async throws {
        try await withFolder { path in
            let key = path + "/signing.key"
            #expect(FileManager.default.createFile(atPath: key, contents: Data(), attributes: [.posixPermissions: 0o644]))
            #expect(DoctorExamination.folder(path).contains { $0.name == "key" && $0.level == .failed })
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
            #expect(DoctorExamination.folder(path).contains { $0.name == "key" && $0.level == .ok })
        }
    }

    @Test("a file in the folder's place is a fault, no folder yet is none")
    func noFolder() async throws {
        try await withFolder { path in
            #expect(DoctorExamination.folder(path + "/later").map(\.level) == [.warning])
            #expect(FileManager.default.createFile(atPath: path + "/file", contents: nil))
            #expect(DoctorExamination.folder(path + "/file").map(\.level) == [.failed])
        }
    }

    @Test("a clock that was never set is a fault")
    func clock() {
        #expect(DoctorExamination.clock(0).level == .failed)
        #expect(
            DoctorExamination.clock(1_772_359_200_000_000)
                == DoctorFinding(name: "clock", level: .ok, message: "2026-03-01T10:00:00.000Z"))
    }

    @Test("what the database's check finds is told, and decides the status")
    func inspected() async throws {
        try await withFolder { path in
            var actions = ServerActions.live
            actions.inspect = { _ in [DoctorFinding(name: "database", level: .failed, message: "quick_check: row 7 is missing")] }
            let ran = await CommandBench().run(["doctor", "--data", path], actions: actions)
            #expect(ran.status == 1)
            #expect(ran.output.contains("quick_check: row 7 is missing"))
            actions.inspect = { _ in [DoctorFinding(name: "database", level: .ok, message: "fine")] }
            let json = await CommandBench().run(["doctor", "--data", path, "--json"], actions: actions)
            #expect(json.status == 0)
            #expect(json.output.contains(#""name" : "database""#))
        }
    }
}
