import ArgumentParser
import Assembly

/// `waybill audit verify`
struct AuditVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Says whether the audit log is what was sealed.",
        discussion: """
            It reads the store itself; a server on SQLite must be stopped for it. The hash of today, kept elsewhere, shows \
            tomorrow that nothing has been cut off the log's end.

            EXIT STATUS: 0 every chain holds; 1 one does not, or something else went wrong; 2 wrong usage or configuration.
            """)

    @OptionGroup var settings: SettingsOptions

    @Option(help: "Only this tenant's log.")
    var tenant: String?

    @Flag(help: "Prints JSON.")
    var json = false

    private struct Shown: Encodable {
        var tenant: String
        var segment: Int64?
        var jobId: String?
        var publicKey: String?
        var holds: Bool
        var first: Int64
        var through: Int64
        var hash: String
        var unsealed: Int64
        var firstBroken: Int64?
        var reason: String?

        init(_ finding: AuditInspection.Finding) {
            tenant = finding.tenant
            segment = finding.segment
            jobId = finding.jobID
            publicKey = finding.publicKey
            holds = finding.holds
            first = finding.first
            through = finding.through
            hash = finding.hash
            unsealed = finding.unsealed
            firstBroken = finding.firstBroken
            reason = finding.reason
        }
    }

    func run() async throws {
        let context = CommandContext.current
        let findings = try await context.actions.verifyAudit(try settings.load().settings, tenant)
        if json {
            context.terminal.say(try JSONText.pretty(findings.map(Shown.init)))
        } else {
            let rows = findings.map { finding in
                [
                    finding.segment.map { "\(finding.tenant), segment \($0)" } ?? finding.tenant,
                    finding.holds ? "holds" : "BROKEN", "\(finding.first)", "\(finding.through)",
                    "\(finding.unsealed)", finding.firstBroken.map { "\($0) (\(finding.reason ?? ""))" } ?? "-", finding.hash,
                ]
            }
            let header = ["TENANT", "CHAIN", "FIRST", "THROUGH", "UNSEALED", "FIRST BROKEN", "HASH"]
            for line in TextTable.lines(header, rows) { context.terminal.say(line) }
        }
        let broken = Set(findings.filter { !$0.holds }.map(\.tenant)).sorted()
        guard broken.isEmpty else {
            throw CommandFailure(.failed, "the audit log is not what was sealed: \(broken.joined(separator: ", "))")
        }
    }
}
