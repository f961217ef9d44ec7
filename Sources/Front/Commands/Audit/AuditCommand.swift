import ArgumentParser

/// `waybill audit`
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Looks after the audit log.", discussion: ExitStatus.help,
        subcommands: [AuditVerify.self, AuditExportCommand.self])
}
