import Foundation
import MillraceCore
import MillraceTestSupport
import Testing

@Suite("An identifier")
struct IdentifierTests {
    let clock = ManualClock(seed: 11)

    @Test("is a UUID of version 7, variant 10, with its time in the first 48 bits")
    func version7() {
        for _ in 0..<100 {
            let id: JobID = clock.surroundings.makeID()
            #expect(id.high >> 16 == UInt64(clock.now.milliseconds))
            #expect(id.high >> 12 & 0xF == 7)
            #expect(id.low >> 62 == 0b10)
            #expect(UUID(uuidString: id.description)?.uuidString.lowercased() == id.description)
            clock.advance(by: .milliseconds(1))
        }
    }

    @Test("sorts by its time")
    func sorts() {
        var ids: [JobID] = []
        for _ in 0..<100 {
            ids.append(clock.surroundings.makeID())
            clock.advance(by: .milliseconds(1))
        }
        #expect(ids == ids.shuffled().sorted())
        #expect(ids.map(\.description) == ids.map(\.description).sorted())
    }

    @Test("survives its text, its bytes and JSON")
    func roundTrips() throws {
        for _ in 0..<100 {
            let id: BlobID = clock.surroundings.makeID()
            #expect(BlobID(id.description) == id)
            #expect(BlobID(id.description.uppercased()) == id)
            #expect(BlobID(bytes: id.bytes) == id)
            #expect(try MillraceJSON.decode([BlobID].self, from: MillraceJSON.encode([id])) == [id])
        }
    }

    @Test(
        "is not read from anything else",
        arguments: [
            "", "018f", "018f4e2a-6d5c-7abc-8def-0123456789a", "018f4e2a-6d5c-7abc-8def-0123456789abc", "018f4e2a06d5c07abc08def00123456789ab",
            "018f4e2g-6d5c-7abc-8def-0123456789ab", "../../../../../../../../../etc/passwd",
        ])
    func nonsense(text: String) {
        #expect(JobID(text) == nil)
        #expect(throws: DecodingError.self) { try MillraceJSON.decode([JobID].self, from: "[\"\(text)\"]") }
    }

    @Test("is not read from fewer or more than 16 bytes")
    func bytes() {
        #expect(JobID(bytes: [UInt8](repeating: 0, count: 15)) == nil)
        #expect(JobID(bytes: [UInt8](repeating: 0, count: 17)) == nil)
    }
}

@Suite("Surroundings")
struct SurroundingsTests {
    @Test("give fractions from 0 up to, not including, 1")
    func fractions() {
        let surroundings = ManualClock(seed: 3).surroundings
        let fractions = (0..<1000).map { _ in surroundings.fraction() }
        #expect(fractions.allSatisfy { (0..<1).contains($0) })
        #expect(abs(fractions.reduce(0, +) / 1000 - 0.5) < 0.05)
        #expect(Surroundings(now: surroundings.now, sleep: surroundings.sleep, random: { .max }).fraction() < 1)
    }
}
