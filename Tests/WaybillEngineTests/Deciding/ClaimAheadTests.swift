import Testing

@testable import WaybillEngine

@Suite struct ClaimAheadTests {
    @Test("nothing is claimed ahead until many jobs in a row were short, and nothing more after one that was not")
    func runs() {
        var ahead = ClaimAhead(jobsMax: 16)
        for _ in 0..<ClaimAhead.runsNeeded {
            #expect(ahead.jobs == 0)
            ahead.ran(for: .milliseconds(2))
        }
        #expect(ahead.jobs == 16)
        ahead.ran(for: .microseconds(2001))
        #expect(ahead.jobs == 0)
        for _ in 0..<ClaimAhead.runsNeeded { ahead.ran(for: .zero) }
        #expect(ahead.jobs == 16)
        ahead.reset()
        #expect(ahead.jobs == 0)
    }

    @Test("a configuration can turn it off, and not below")
    func bounds() {
        #expect(EngineConfiguration(claimAhead: -1).claimAhead == 0)
        #expect(EngineConfiguration(claimAhead: 100_000).claimAhead == 256)
        var ahead = ClaimAhead(jobsMax: 0)
        for _ in 0..<100 { ahead.ran(for: .zero) }
        #expect(ahead.jobs == 0)
    }
}
