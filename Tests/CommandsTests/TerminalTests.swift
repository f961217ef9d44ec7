import Testing

@testable import Commands
@testable import WaybillClient

@Suite struct TerminalTests {
    @Test("the bar is as full as the job is far, and never wider than the screen", arguments: [10, 20, 30, 40, 80, 200])
    func width(columns: Int) {
        for progress in [-5, 0, 0.4, 50, 99.9, 100, 400, .nan, .infinity] {
            let line = ProgressBar.line(WaybillJob(jobId: "j", state: .running, progress: progress), width: columns)
            #expect(line.count < columns)
        }
    }

    @Test("the bar says percent, state, requests and rows")
    func text() {
        var job = WaybillJob(jobId: "j", state: .running, progress: 50)
        job.counters = ["exported": 336_776]
        job.cancelRequested = true
        let line = ProgressBar.line(job, width: 120)
        #expect(
            line
                == "[" + String(repeating: "█", count: 20) + String(repeating: "░", count: 20)
                + "]  50 %  running, to be cancelled  336,776 rows"
        )
        #expect(ProgressBar.plain(WaybillJob(jobId: "j", state: .completed, progress: 100)) == "j  100 %  completed")
    }

    @Test(
        "numbers are grouped",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (.min, "-9,223,372,036,854,775,808")]
            as [(Int64, String)])
    func grouped(number: Int64, text: String) {
        #expect(Figures.grouped(number) == text)
    }

    @Test(
        "bytes are told in their unit",
        arguments: [(5, "5 bytes"), (1024, "1.0 KiB"), (1_500_000, "1.4 MiB"), (.max, "8388608.0 TiB")] as [(Int64, String)])
    func bytes(count: Int64, text: String) {
        #expect(Figures.bytes(count) == text)
    }

    @Test("columns stand under each other, without blanks at the end")
    func table() {
        #expect(TextTable.lines(["A", "B"], [["1", "2"], ["333", ""]]) == ["A    B", "1    2", "333  "])
    }
}
