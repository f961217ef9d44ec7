import Testing
import WaybillBlobs

@Suite struct BlobRetryPolicyTests {
    private let policy = BlobRetryPolicy(triesMax: 5, firstDelay: .milliseconds(100), delayMax: .milliseconds(300))

    @Test("waits are drawn from zero to a bound that doubles up to the longest")
    func delays() {
        let longest = (1...5).map { policy.delay(afterTries: $0, random: .max) }
        #expect(longest.dropLast().allSatisfy { $0 != nil } && longest[4] == nil)
        for (delay, bound) in zip(longest, [100, 200, 300, 300]) {
            #expect(delay.map { .milliseconds(bound - 1) < $0 && $0 <= .milliseconds(bound) } == true)
        }
        #expect(policy.delay(afterTries: 4, random: 0) == .zero)
        #expect(policy.delay(afterTries: 3, random: 1 << 63) == .milliseconds(150))
    }

    @Test("the store's wish counts, but not beyond the longest wait")
    func asked() {
        #expect(policy.delay(afterTries: 1, random: 0, asked: .milliseconds(250)) == .milliseconds(250))
        #expect(policy.delay(afterTries: 1, random: 0, asked: .seconds(3600)) == .milliseconds(300))
        #expect(policy.delay(afterTries: 5, random: 0, asked: .seconds(1)) == nil)
    }

    @Test("strange numbers trap nowhere")
    func bounds() {
        let strange = BlobRetryPolicy(triesMax: .max, firstDelay: .seconds(-1), delayMax: .seconds(-2))
        #expect(strange.delay(afterTries: 1_000_000, random: .max) == .zero)
        #expect(BlobRetryPolicy(triesMax: .min).delay(afterTries: 1, random: 0) == nil)
        #expect(policy.delay(afterTries: -1, random: .max) != nil)
    }
}
