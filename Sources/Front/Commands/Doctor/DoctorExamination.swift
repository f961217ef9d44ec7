import Foundation

/// What can be looked at without opening the database.
enum DoctorExamination {
    private static let freeBytesMin: Int64 = 1 << 30

    static func versions() -> [DoctorFinding] {
        let system = ProcessInfo.processInfo.operatingSystemVersionString
        return [DoctorFinding(name: "versions", level: .ok, message: "waybill \(WaybillVersion.text), \(system)")]
    }

    /// - Parameter microseconds: now, since 1970.
    static func clock(_ microseconds: Int64) -> DoctorFinding {
        let text = JSONText.time(Date(timeIntervalSince1970: Double(microseconds) / 1_000_000))
        // 2025-01-01: a machine that has lost its clock starts in 1970, or when it was built.
        guard microseconds >= 1_735_689_600_000_000 else {
            return DoctorFinding(name: "clock", level: .failed, message: "it says \(text); tokens and links need the right time")
        }
        return DoctorFinding(name: "clock", level: .ok, message: text)
    }

    /// The data folder: there, writable, with space, and its key seen by nobody else.
    static func folder(_ path: String) -> [DoctorFinding] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            return [DoctorFinding(name: "folder", level: .warning, message: "\(path) is not there yet; serve makes it")]
        }
        guard isFolder.boolValue else { return [DoctorFinding(name: "folder", level: .failed, message: "\(path) is no folder")] }
        return [writing(path), space(path)] + key(path)
    }

    private static func writing(_ path: String) -> DoctorFinding {
        let probe = URL(fileURLWithPath: path).appendingPathComponent(".doctor-\(ProcessInfo.processInfo.processIdentifier)")
        do {
            let content = Data("waybill".utf8)
            try content.write(to: probe)
            let back = try Data(contentsOf: probe)
            try FileManager.default.removeItem(at: probe)
            guard back == content else {
                return DoctorFinding(name: "folder", level: .failed, message: "\(path) gives back other bytes than were written")
            }
        } catch {
            return DoctorFinding(
                name: "folder", level: .failed, message: "\(path) can't be written: \(error.localizedDescription)")
        }
        return DoctorFinding(name: "folder", level: .ok, message: "\(path) can be written and read")
    }

    private static func space(_ path: String) -> DoctorFinding {
        let free = (try? FileManager.default.attributesOfFileSystem(forPath: path)[.systemFreeSize] as? NSNumber)?.int64Value
        guard let free else { return DoctorFinding(name: "space", level: .warning, message: "the free space is not known") }
        let isLow = free < freeBytesMin
        return DoctorFinding(
            name: "space", level: isLow ? .warning : .ok,
            message: "\(Figures.bytes(free)) free" + (isLow ? "; exports need room for their files" : ""))
    }

    private static func key(_ path: String) -> [DoctorFinding] {
        let file = path + "/signing.key"
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: file),
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue
        else { return [] }
        guard mode & 0o077 == 0 else {
            return [
                DoctorFinding(
                    name: "key", level: .failed, message: "others can read \(file); chmod 600, and let a new key be made")
            ]
        }
        return [DoctorFinding(name: "key", level: .ok, message: "\(file) is the owner's alone")]
    }
}
