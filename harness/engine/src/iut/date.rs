use std::fmt;
use std::str::FromStr;

/// A day of the calendar: `2027-03-01`. Days compare in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day, in Universal Time, of a moment given in seconds since the beginning of 1970.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let mut days = seconds / 86_400;
        let mut date = Self {
            year: 1970,
            month: 1,
            day: 1,
        };
        while days >= date.days_of_year() && date.year < 9999 {
            days -= date.days_of_year();
            date.year += 1;
        }
        while days >= u64::from(date.days_of_month()) && date.month < 12 {
            days -= u64::from(date.days_of_month());
            date.month += 1;
        }
        date.day += u32::try_from(days).unwrap_or_default();
        date
    }

    const fn is_leap_year(self) -> bool {
        self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400))
    }

    const fn days_of_year(self) -> u64 {
        if self.is_leap_year() { 366 } else { 365 }
    }

    const fn days_of_month(self) -> u32 {
        match self.month {
            2 if self.is_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no date; write year, month and day: 2027-03-01");
        let parts: Vec<_> = text.split('-').collect();
        let [year, month, day] = parts[..] else {
            return Err(wrong());
        };
        let number = |part: &str, digits: usize| {
            let is_number = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
            is_number
                .then(|| part.parse::<u32>().ok())
                .flatten()
                .ok_or_else(wrong)
        };
        let date = Self {
            year: number(year, 4)?,
            month: number(month, 2)?,
            day: number(day, 2)?,
        };
        let exists =
            (1..=12).contains(&date.month) && (1..=date.days_of_month()).contains(&date.day);
        exists
            .then_some(date)
            .ok_or_else(|| format!("the calendar has no {text}"))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_days_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_761_599, "2026-12-31"),
            (1_798_761_600, "2027-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Date::from_unix_seconds(seconds).to_string(), date);
        }
    }

    #[test]
    fn days_compare_in_the_order_of_time() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert!(date("2026-12-31") < date("2027-01-01"));
        assert!(date("2027-02-28") < date("2027-03-01"));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2027",
            "2027-3-1",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-04-31",
            "1.3.2027",
            "2027-03-01T00:00:00",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert!("2028-02-29".parse::<Date>().is_ok());
    }
}
