// The position of a number that no buffer holds: it counts as zero and is not stored.
const NOWHERE = 0xffffffffu;
